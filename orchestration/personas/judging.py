"""Whether what was found of a persona is what it expects."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from orchestration.personas.clocks import read_moment
from orchestration.personas.findings import Findings
from orchestration.personas.keys import replaced
from orchestration.personas.people import Checkpoint, Expected
from orchestration.personas.worlds import World

_NO_PROFILE = "no profile"


@dataclass(frozen=True)
class Failure:
    """Something expected that is not so."""

    file: Path
    line: int
    persona: str
    checkpoint: str
    what: str
    expected: Any
    found: Any


def judge(world: World, findings: Findings) -> Iterator[Failure]:
    """What is not as the persona expects it at this time of its clock."""
    if not world.persona.breaks_plan:
        yield from _broken_plan(world, findings)
    for checkpoint in world.checkpoints:
        for what, expected, found in _differences(world, checkpoint, findings):
            yield Failure(
                file=world.persona.file,
                line=expected.line,
                persona=world.persona.name,
                checkpoint=checkpoint.name,
                what=what,
                expected=_said(expected, found, world),
                found=found,
            )


def profiles_of(world: World, checkpoint: Checkpoint, findings: Findings) -> list[str]:
    """The profiles that a checkpoint is about."""
    if checkpoint.of is None:
        return findings.profiles(world)
    profile = findings.profile_of(world, checkpoint.of)
    return [] if profile is None else [profile]


def _broken_plan(world: World, findings: Findings) -> Iterator[Failure]:
    for message, problem in findings.violations.get(world.mark.text, ()):
        yield Failure(
            file=world.persona.file,
            line=world.messages[message].line,
            persona=world.persona.name,
            checkpoint=world.checkpoints[0].name,
            what="events",
            expected="as planned, or `breaks_plan: true`",
            found=problem,
        )


def _differences(
    world: World, checkpoint: Checkpoint, findings: Findings
) -> Iterator[tuple[str, Expected, Any]]:
    """What is expected in vain, as people say it, and what was found in its place."""
    profiles = profiles_of(world, checkpoint, findings)
    for one in checkpoint.expected:
        if one.kind == "profiles":
            number = len(findings.profiles(world))
            if number != one.value:
                yield "profiles", one, number
        elif one.kind == "account":
            row = findings.rows[one.table].get(world.mark.put(str(one.account)))
            found = None if row is None else _seen(row[one.name], world)
            if row is None or not fits(one.value, found, world):
                yield f"{one.account}: {one.name}", one, found if row else "no account"
        elif len(profiles) != 1:
            found = f"{len(profiles)} profiles" if profiles else _NO_PROFILE
            more = "; say with `of` whose" if len(profiles) > 1 else ""
            yield one.name, one, found + more
        elif one.kind in ("member", "non-member"):
            is_member = profiles[0] in findings.members[one.name]
            if is_member != (one.kind == "member"):
                yield one.name, one, "in it" if is_member else "not in it"
        else:
            row = findings.rows[one.table].get(profiles[0])
            # Whom a topic has nothing about has no row in it: nothing is known.
            found = None if row is None else _seen(row[one.name], world)
            if not fits(one.value, found, world):
                yield one.name, one, found


def fits(expected: Any, found: Any, world: World) -> bool:
    """Whether a value of the warehouse is what a file says."""
    if expected is None or found is None:
        return expected is None and found is None
    if isinstance(found, bool) or isinstance(expected, bool):
        return expected is found
    if isinstance(found, datetime):
        return found == read_moment(expected, now=world.persona.now)
    if isinstance(found, date):
        at = read_moment(expected, now=world.persona.now)
        return at is not None and found == at.astimezone(UTC).date()
    if isinstance(found, int | float | Decimal):
        return _is_number(expected) and _is_close(expected, found)
    if isinstance(found, list):
        return isinstance(expected, list) and _fit_each(expected, found, world)
    if isinstance(expected, list | dict):
        return _is_json(expected, str(found))
    return str(expected) == str(found)


def _fit_each(expected: list[Any], found: list[Any], world: World) -> bool:
    return len(expected) == len(found) and all(
        fits(one, other, world) for one, other in zip(expected, found, strict=True)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _is_close(expected: Any, found: Any) -> bool:
    """Whether numbers are equal; of floats the last digits do not count."""
    if isinstance(found, float):
        return math.isclose(float(expected), found, rel_tol=1e-9)
    return Decimal(str(expected)) == Decimal(found)


def _is_json(expected: Any, found: str) -> bool:
    try:
        return bool(json.loads(found) == expected)
    except ValueError:
        return False


def _seen(value: Any, world: World) -> Any:
    """A value of the warehouse as it would be without marks, and at its own time."""
    if isinstance(value, datetime):
        at = value if value.tzinfo else value.replace(tzinfo=UTC)
        return at - world.moved
    if isinstance(value, date):
        return value - timedelta(days=round(world.moved / timedelta(days=1)))
    return replaced(value, world.mark.taken_off)


def _said(expected: Expected, found: Any, world: World) -> Any:
    """What is expected, as people say it; of a time also which one it is."""
    match expected.kind:
        case "member":
            return "in it"
        case "non-member":
            return "not in it"
    if isinstance(found, datetime):
        at = read_moment(expected.value, now=world.persona.now)
        if at is not None and str(at) != expected.value:
            return f"{expected.value} ({at})"
    return expected.value
