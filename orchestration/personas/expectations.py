"""The list `expect` of a persona: its checkpoints and what has to be known at each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from orchestration.conditions.reading import Mistakes, Place, check_keys, nearest
from orchestration.personas.clocks import read_length, read_moment
from orchestration.personas.documents import Document
from orchestration.personas.names import Names
from orchestration.personas.people import Checkpoint, Expected, Kind

_EXPECTED = ("profiles", "profile", "traits", "accounts", "audiences")
_KEYS = ("description", "now", "after", "of", *_EXPECTED)


def read_checkpoints(
    document: Document,
    found: object,
    place: Place,
    *,
    now: datetime,
    names: Names,
    mistakes: Mistakes,
) -> tuple[Checkpoint, ...]:
    """The checkpoints of one persona; a single one need not stand in a list."""
    if isinstance(found, dict):
        checkpoint = _read(document, found, place, now, names, mistakes)
        return () if checkpoint is None else (checkpoint,)
    if not isinstance(found, list) or not found:
        mistakes.add(place, f"a persona needs `expect`: {', '.join(_EXPECTED)}")
        return ()
    read = (
        _read(document, entry, (*place, str(number)), now, names, mistakes)
        for number, entry in enumerate(found, start=1)
    )
    return tuple(checkpoint for checkpoint in read if checkpoint is not None)


def _read(
    document: Document,
    found: object,
    place: Place,
    now: datetime,
    names: Names,
    mistakes: Mistakes,
) -> Checkpoint | None:
    if not isinstance(found, dict):
        mistakes.add(place, f"takes {', '.join(_KEYS)}")
        return None
    check_keys(found, _KEYS, place, mistakes)
    if not any(key in found for key in _EXPECTED):
        mistakes.add(place, f"expects nothing: {', '.join(_EXPECTED)}")
    name, clock = _read_clock(found, place, now, mistakes)
    of = found.get("of")
    if of is not None and not (isinstance(of, str) and ":" in of):
        mistakes.add((*place, "of"), f"'{of}' is no identifier: type:value")
        of = None

    def line(*keys: str) -> int:
        return document.line((*place, *keys))

    expected = (
        *_profiles(found, place, line, mistakes),
        *_columns("profile", "profile", found, place, line, names.profile, mistakes),
        *_columns("trait", "traits", found, place, line, names.traits, mistakes),
        *_accounts(found, place, line, names, mistakes),
        *_audiences(found, place, line, names, mistakes),
    )
    said = f"{name}, {of}" if name and of else name or of or "now"
    return Checkpoint(
        name=str(said), clock=clock, of=of, expected=expected, line=line()
    )


def _read_clock(
    found: Mapping[str, Any], place: Place, now: datetime, mistakes: Mistakes
) -> tuple[str, datetime]:
    """What the checkpoint's time is called, and the time."""
    if "now" in found and "after" in found:
        mistakes.add(place, "has now and after; only one of them may stand")
    if "after" in found:
        length = read_length(found["after"])
        if length is None:
            mistakes.add(
                (*place, "after"), f"'{found['after']}' is no length of time: 40 days"
            )
            return "", now
        return f"after {found['after']}", now + length
    if "now" in found:
        clock = read_moment(found["now"], now=now)
        if clock is None:
            mistakes.add((*place, "now"), f"'{found['now']}' is no time")
            return "", now
        return str(found["now"]), clock
    return "", now


Line = Callable[..., int]


def _profiles(
    found: Mapping[str, Any], place: Place, line: Line, mistakes: Mistakes
) -> Iterator[Expected]:
    number = found.get("profiles", 1)
    if isinstance(number, bool) or not isinstance(number, int):
        mistakes.add((*place, "profiles"), f"'{number}' is no number of profiles")
    elif "profiles" in found:
        yield Expected(
            kind="profiles", name="profiles", value=number, line=line("profiles")
        )


def _columns(
    kind: Kind,
    key: str,
    found: Mapping[str, Any],
    place: Place,
    line: Line,
    known: Mapping[str, str],
    mistakes: Mistakes,
) -> Iterator[Expected]:
    columns = found.get(key, {})
    if not isinstance(columns, dict):
        mistakes.add((*place, key), "takes a map of columns and their values")
        return
    for name, value in columns.items():
        if name not in known:
            mistakes.add((*place, key, str(name)), f"unknown; {nearest(name, known)}")
            continue
        yield Expected(
            kind=kind,
            name=name.rpartition(".")[2],
            table=known[name],
            value=value,
            line=line(key, name),
        )


def _accounts(
    found: Mapping[str, Any],
    place: Place,
    line: Line,
    names: Names,
    mistakes: Mistakes,
) -> Iterator[Expected]:
    accounts = found.get("accounts", {})
    if not isinstance(accounts, dict):
        mistakes.add((*place, "accounts"), "takes a map: {acorn: {account_plan: team}}")
        return
    for account, columns in accounts.items():
        if not isinstance(columns, dict):
            mistakes.add((*place, "accounts", str(account)), "takes a map of columns")
            continue
        for name, value in columns.items():
            at = ("accounts", str(account), str(name))
            if name not in names.accounts:
                mistakes.add((*place, *at), f"unknown; {nearest(name, names.accounts)}")
                continue
            yield Expected(
                kind="account",
                name=name.rpartition(".")[2],
                table=names.accounts[name],
                value=value,
                account=str(account),
                line=line(*at),
            )


def _audiences(
    found: Mapping[str, Any],
    place: Place,
    line: Line,
    names: Names,
    mistakes: Mistakes,
) -> Iterator[Expected]:
    audiences = found.get("audiences", {})
    if not isinstance(audiences, dict):
        mistakes.add((*place, "audiences"), "takes a map: {in: […], not_in: […]}")
        return
    check_keys(audiences, ("in", "not_in"), (*place, "audiences"), mistakes)
    kinds: tuple[tuple[str, Kind], ...] = (("in", "member"), ("not_in", "non-member"))
    for key, kind in kinds:
        listed = audiences.get(key, [])
        if not isinstance(listed, list):
            mistakes.add((*place, "audiences", key), "takes a list of audiences")
            continue
        for number, name in enumerate(listed, start=1):
            at = ("audiences", key, str(number))
            if name not in names.audiences:
                mistakes.add(
                    (*place, *at), f"'{name}': {nearest(name, names.audiences)}"
                )
                continue
            yield Expected(kind=kind, name=name, table=name, line=line(*at))
