"""What differs between two tracking plans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from collector.plan import Plan, PlannedEvent, Rule

Kind = Literal[
    "added", "removed", "renamed", "retyped", "tightened", "loosened", "changed"
]

_BY_GRAVITY: tuple[Kind, ...] = ("retyped", "tightened", "loosened", "changed")

BREAKING: frozenset[Kind] = frozenset({"removed", "retyped"})
"""After these, what reads the property no longer finds what it was made for."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One difference: of a property when there is a `path`, else of the event.

    `former` and `current` are the event before and after; neither is there for a common
    rule, which is of every event.
    """

    kind: Kind
    path: str | None = None
    details: tuple[str, ...] = ()
    former: PlannedEvent | None = None
    current: PlannedEvent | None = None

    @property
    def event(self) -> PlannedEvent | None:
        """The event, as it is now or else as it was."""
        return self.current or self.former


def compare(old: Plan, new: Plan) -> tuple[Change, ...]:
    """All changes that lead from one plan to the other, event by event."""
    changes: list[Change] = []
    pairs = list(_pairs(old, new))
    for former, current in pairs:
        changes += _event_changes(former, current)
    changes += _rule_changes(_flat(old.common), _flat(new.common))
    if old.enforcement != new.enforcement:
        changes.append(Change(kind="changed", details=("enforcement of the project",)))
    return tuple(changes)


def _pairs(
    old: Plan, new: Plan
) -> Iterator[tuple[PlannedEvent | None, PlannedEvent | None]]:
    """Each event before with what became of it, then those that are new.

    An event is known by its name and version; else by the name it had before, and a
    model that plans another version now plans the same event still.
    """
    left = {(one.type, one.name, one.version): one for one in new.events}
    unmatched = []
    for former in old.events:
        current = left.pop((former.type, former.name, former.version), None)
        if current is None:
            unmatched.append(former)
        else:
            yield former, current
    for former in unmatched:
        found = next((one for one in left.values() if _succeeds(one, former)), None)
        if found is not None:
            del left[found.type, found.name, found.version]
        yield former, found
    for current in left.values():
        yield None, current


def _succeeds(current: PlannedEvent, former: PlannedEvent) -> bool:
    if current.type != former.type:
        return False
    if former.name in current.aliases:
        return current.version == former.version
    return current.name == former.name and current.model == former.model


def _event_changes(
    former: PlannedEvent | None, current: PlannedEvent | None
) -> Iterator[Change]:
    if former is None or current is None:
        kind: Kind = "added" if former is None else "removed"
        yield Change(kind=kind, former=former, current=current)
        return
    changes = []
    if former.name != current.name:
        changes.append(Change(kind="renamed", details=(f"was {former.name}",)))
    details = []
    if former.version != current.version:
        details.append(f"version: {former.version} → {current.version}")
    if former.enforcement != current.enforcement:
        details.append(
            f"enforcement: {_actions(former.enforcement)}"
            f" → {_actions(current.enforcement)}"
        )
    if details:
        changes.append(Change(kind="changed", details=tuple(details)))
    changes += _rule_changes(
        _flat(former.properties), _flat(current.properties), current.renames
    )
    for change in changes:
        yield replace(change, former=former, current=current)


def _actions(enforcement: Mapping[str, str]) -> str:
    said = (f"{kind} {action}" for kind, action in sorted(enforcement.items()))
    return ", ".join(said) or "as the project says"


def _flat(rules: Mapping[str, Rule], prefix: str = "") -> dict[str, Rule]:
    """All rules by path, those inside objects and arrays too."""
    flat: dict[str, Rule] = {}
    for name, rule in rules.items():
        path = f"{prefix}{name}"
        flat[path] = rule
        flat |= _flat(rule.properties, f"{path}.")
        if rule.items is not None:
            flat[f"{path}[]"] = rule.items
            flat |= _flat(rule.items.properties, f"{path}[].")
    return flat


def _rule_changes(
    old: Mapping[str, Rule],
    new: Mapping[str, Rule],
    renames: Mapping[str, str] | None = None,
) -> Iterator[Change]:
    """The changes of rules by path; what is inside a value goes and comes with it."""
    gone, come = old.keys() - new.keys(), new.keys() - old.keys()
    moved = {
        before: after
        for before, after in (renames or {}).items()
        if before in gone and after in come
    }
    changes: list[Change] = []
    for before, after in moved.items():
        changes.append(Change(kind="renamed", path=after, details=(f"was {before}",)))
        changes += _changed_rule(after, old[before], new[after])
    for path in _outermost(gone - moved.keys()):
        changes.append(_gone_or_come(path, "removed", "loosened"))
    for path in _outermost(come - set(moved.values())):
        changes.append(_gone_or_come(path, "added", "tightened"))
    for path in old.keys() & new.keys():
        changes += _changed_rule(path, old[path], new[path])
    yield from sorted(changes, key=lambda change: change.path or "")


def _outermost(paths: Iterable[str]) -> set[str]:
    known = set(paths)
    return {
        path
        for path in known
        if not any(
            path.startswith((f"{other}.", f"{other}[")) for other in known - {path}
        )
    }


def _gone_or_come(path: str, kind: Kind, of_elements: Kind) -> Change:
    if not path.endswith("[]"):
        return Change(kind=kind, path=path)
    return Change(kind=of_elements, path=path, details=(f"rules of elements {kind}",))


def _changed_rule(path: str, old: Rule, new: Rule) -> Iterator[Change]:
    """The change of one rule, under the gravest of its kinds."""
    found = list(_differences(old, new))
    if found:
        kind = min((kind for kind, _ in found), key=_BY_GRAVITY.index)
        details = tuple(detail for _, detail in found)
        yield Change(kind=kind, path=path, details=details)


def _differences(old: Rule, new: Rule) -> Iterator[tuple[Kind, str]]:
    """Each word that differs, and whether fewer values or more are allowed now."""
    yield from _types(old, new)
    if _plain(old.data_type) != _plain(new.data_type):
        came = old.data_type is None
        yield (
            "changed" if came else "retyped",
            f"column: {old.data_type or 'none'} → {new.data_type or 'none'}",
        )
    if old.required != new.required:
        yield ("tightened", "required") if new.required else ("loosened", "optional")
    yield from _enum(old.enum, new.enum)
    for word in ("pattern", "format"):
        before, after = getattr(old, word), getattr(new, word)
        if before != after:
            kind: Kind = "loosened" if after is None else "tightened"
            yield kind, f"{word}: {_shown(before)} → {_shown(after)}"
    for word, sign in (("minimum", 1), ("maximum", -1)):
        before, after = getattr(old, word), getattr(new, word)
        if before != after:
            lower = float("-inf")
            is_less = (lower if after is None else sign * after) < (
                lower if before is None else sign * before
            )
            kind = "loosened" if is_less else "tightened"
            yield kind, f"{word}: {_shown(before)} → {_shown(after)}"
    if old.pii != new.pii:
        yield "changed", "personal" if new.pii else "no longer personal"


def _types(old: Rule, new: Rule) -> Iterator[tuple[Kind, str]]:
    before, after = set(old.types), set(new.types)
    if before == after:
        return
    if "number" in before:
        before.add("integer")
    kind: Kind = "retyped"
    if not before or (after and after <= before):
        kind = "tightened"
    elif after and after - {"null"} <= before:
        kind = "loosened"
    yield kind, f"type: {_listed(old.types)} → {_listed(new.types)}"


def _enum(
    old: tuple[Any, ...] | None, new: tuple[Any, ...] | None
) -> Iterator[tuple[Kind, str]]:
    if old is None or new is None:
        if new is not None:
            yield "tightened", f"only {_listed(new)}"
        elif old is not None:
            yield "loosened", f"no longer only {_listed(old)}"
        return
    gone = tuple(value for value in old if value not in new)
    come = tuple(value for value in new if value not in old)
    if gone:
        yield "tightened", f"enum: without {_listed(gone)}"
    if come:
        yield "loosened", f"enum: also {_listed(come)}"


def _plain(data_type: str | None) -> str | None:
    return None if data_type is None else "".join(data_type.lower().split())


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values)) or "any"


def _shown(value: Any) -> str:
    return "none" if value is None else str(value)
