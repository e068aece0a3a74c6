"""Reading the definition of an audience: a tree about people, held to the catalogue.

    all:
      - {did: order_completed, count: {at_least: 2}, within: 90 days}
      - {did_not: product_viewed, within: 7 days}
      - any:
          - {trait: country, one_of: [DE, FR]}
          - {in: vip_customers}

Every mistake is told with its place; a definition with one has no meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from orchestration.audiences.entities import (
    ACCOUNT,
    ACCOUNT_PROFILES,
    ACCOUNTS,
    USERS,
    AccountIs,
    AccountUsers,
    Related,
    find_paths,
)
from orchestration.audiences.events import FUNCTIONS, TIMESTAMP, Did, Measure, Test
from orchestration.audiences.funnels import Funnel, Step
from orchestration.audiences.members import In
from orchestration.conditions.catalogue import PERSON, Catalogue, Table
from orchestration.conditions.comparisons import Column, Comparison, read_comparison
from orchestration.conditions.reading import (
    Mistakes,
    Place,
    check_keys,
    nearest,
    read_length,
)
from orchestration.conditions.trees import Condition, read_tree
from orchestration.conditions.where import Scope, read_compared, read_where
from orchestration.conditions.windows import KEYS as WINDOW_KEYS
from orchestration.conditions.windows import read_window

_COUNT = Column("count", "bigint")
_ONCE = Comparison(_COUNT, "at_least", (1,))
_NEVER = Comparison(_COUNT, "equals", (0,))

Found = Mapping[str, Any]


def read_definition(
    found: object,
    place: Place,
    mistakes: Mistakes,
    *,
    catalogue: Catalogue,
    audience: str,
    audiences: frozenset[str],
) -> Condition | None:
    """The tree of an audience; `audiences` are all that there are, this one too."""
    reader = _Reader(catalogue, audience, audiences, mistakes)
    return reader.tree(found, place)


@dataclass
class _Reader:
    """Reads one definition and gives names to what it computes on the way."""

    catalogue: Catalogue
    audience: str
    audiences: frozenset[str]
    mistakes: Mistakes
    names: set[str] = field(default_factory=set)
    is_in_account: bool = False

    def tree(self, found: object, place: Place) -> Condition | None:
        return read_tree(
            found, place, self.mistakes, leaf=self._leaf, leaf_keys=self._keys
        )

    @property
    def _keys(self) -> tuple[str, ...]:
        people = ("did", "did_not", "trait", "in", "funnel", "related")
        return people if self.is_in_account else (*people, "account")

    def _leaf(self, found: Found, place: Place, mistakes: Mistakes) -> Condition | None:
        given = [key for key in self._keys if key in found]
        if len(given) > 1:
            mistakes.add(place, f"is one condition, not {' and '.join(given)}")
            return None
        match given[0]:
            case "did":
                return self._did(found, place)
            case "did_not":
                return self._did_not(found, place)
            case "trait":
                scope = Scope(traits=self.catalogue)
                return read_compared(found, place, mistakes, scope=scope)
            case "in":
                return self._in(found, place)
            case "funnel":
                return self._funnel(found, place)
            case "account":
                return self._account(found, place)
        return self._related(found, place)

    def _did(self, found: Found, place: Place) -> Condition | None:
        keys = ("did", "where", "count", *FUNCTIONS, *WINDOW_KEYS)
        check_keys(found, keys, place, self.mistakes)
        before = len(self.mistakes.found)
        event = self._event(found, "did", place)
        where = self._where(found, place, event)
        window = read_window(found, place, self.mistakes)
        count = None if set(FUNCTIONS) & set(found) else _ONCE
        if "count" in found:
            count = self._number(_COUNT, found["count"], (*place, "count"))
        made = [
            (function, self._of_property(event, function, found, place))
            for function in FUNCTIONS
            if function in found and event is not None
        ]
        if event is None or window is None or len(self.mistakes.found) > before:
            return None
        tests = [
            Test(Measure(event, function, where, window, read[0]), read[1])
            for function, read in made
            if read is not None
        ]
        if count is not None:
            tests.insert(0, Test(Measure(event, "count", where, window), count))
        return Did(event, tuple(tests), where, window)

    def _did_not(self, found: Found, place: Place) -> Condition | None:
        check_keys(found, ("did_not", "where", *WINDOW_KEYS), place, self.mistakes)
        event = self._event(found, "did_not", place)
        before = len(self.mistakes.found)
        where = self._where(found, place, event)
        window = read_window(found, place, self.mistakes)
        if event is None or window is None or len(self.mistakes.found) > before:
            return None
        test = Test(Measure(event, "count", where, window), _NEVER)
        return Did(event, (test,), where, window, is_negated=True)

    def _in(self, found: Found, place: Place) -> Condition | None:
        check_keys(found, ("in",), place, self.mistakes)
        name = found["in"]
        if name not in self.audiences:
            others = self.audiences - {self.audience}
            self._mistake(
                place, "in", f"unknown audience '{name}'; {nearest(name, others)}"
            )
            return None
        if name == self.audience:
            self._mistake(place, "in", "an audience cannot be defined by itself")
            return None
        return In(str(name))

    def _funnel(self, found: Found, place: Place) -> Condition | None:
        check_keys(found, ("funnel",), place, self.mistakes)
        inside, at = found["funnel"], (*place, "funnel")
        if not isinstance(inside, Mapping) or "steps" not in inside:
            self.mistakes.add(at, "takes steps: at least two of {did: …}")
            return None
        check_keys(
            inside, ("steps", "without", "same", *WINDOW_KEYS), at, self.mistakes
        )
        before = len(self.mistakes.found)
        steps = self._steps(inside["steps"], (*at, "steps"))
        same = without_same = _listed(inside.get("same", []))
        without = None
        if "without" in inside:
            tree, place_of_it = inside["without"], (*at, "without")
            if isinstance(tree, Mapping) and "same" in tree:
                without_same = _listed(tree["same"])
                tree = {name: tree[name] for name in tree if name != "same"}
            without = self._step(tree, place_of_it, is_first=True)
            for name in without_same:
                if name not in same:
                    hint = "is none of the properties in the same of the funnel"
                    self._mistake(place_of_it, "same", f"'{name}' {hint}")
        for number, name in enumerate(same):
            bound = [without] if without and name in without_same else []
            self._same(name, (*at, "same"), [*steps, *bound])
            if name in same[:number]:
                self._mistake(at, "same", f"'{name}' stands here already")
        window = read_window(inside, at, self.mistakes)
        if window is None or len(self.mistakes.found) > before:
            return None
        name = self._name("funnel")
        return Funnel(name, tuple(steps), without, same, without_same, window)

    def _steps(self, found: object, place: Place) -> list[Step]:
        if not isinstance(found, list) or len(found) < 2:
            self.mistakes.add(place, "takes a list of at least two steps, {did: …}")
            return []
        read = [
            self._step(step, (*place, str(number)), is_first=number == 1)
            for number, step in enumerate(found, start=1)
        ]
        return [step for step in read if step is not None]

    def _step(self, found: object, place: Place, *, is_first: bool) -> Step | None:
        if not isinstance(found, Mapping) or "did" not in found:
            self.mistakes.add(place, "is {did: <event>}")
            return None
        keys = ("did", "where") if is_first else ("did", "where", "within")
        if is_first and "within" in found:
            self._mistake(place, "within", "there is no step before it")
        else:
            check_keys(found, keys, place, self.mistakes)
        event = self._event(found, "did", place)
        within = None
        if not is_first and "within" in found:
            within = read_length(found["within"], (*place, "within"), self.mistakes)
        where = self._where(found, place, event)
        return None if event is None else Step(event, where, within)

    def _same(self, name: str, place: Place, steps: list[Step]) -> None:
        """Hold one property that steps have the same value of to their events."""
        if name in (PERSON, TIMESTAMP):
            hint = "all steps are one person's, each later than the one before"
            self.mistakes.add(place, f"'{name}' says nothing here: {hint}")
        for step in steps:
            if name not in step.event.columns:
                hint = nearest(name, step.event.columns)
                self.mistakes.add(
                    place, f"'{step.event.title}' has no property '{name}'; {hint}"
                )
        kinds = {
            step.event.columns[name].kind
            for step in steps
            if name in step.event.columns
        }
        if len(kinds - {"unknown"}) > 1:
            self.mistakes.add(
                place, f"'{name}' is {' and '.join(sorted(kinds))} in these events"
            )

    def _account(self, found: Found, place: Place) -> Condition | None:
        check_keys(found, ("account",), place, self.mistakes)
        inside, at = found["account"], (*place, "account")
        needed = [ACCOUNTS, ACCOUNT_PROFILES]
        if missing := [name for name in needed if name not in self.catalogue.tables]:
            self.mistakes.add(at, f"this project has no {' and '.join(missing)}")
            return None
        if isinstance(inside, Mapping) and set(inside) == {"where"}:
            scope = Scope(
                rows=self.catalogue.tables[ACCOUNTS],
                traits=replace(self.catalogue, owner=ACCOUNT),
                word="column",
            )
            where = read_where(
                inside["where"], (*at, "where"), self.mistakes, scope=scope
            )
            return None if where is None else AccountIs(self._name("account"), where)
        if not isinstance(inside, Mapping) or set(inside) != {"users", "matching"}:
            self.mistakes.add(
                at, "takes either users (any, all or none) and matching, or where"
            )
            return None
        users = inside["users"]
        if users not in USERS:
            self._mistake(at, "users", f"'{users}' is none of {', '.join(USERS)}")
        self.is_in_account = True
        matching = self.tree(inside["matching"], (*at, "matching"))
        self.is_in_account = False
        if matching is None or users not in USERS:
            return None
        return AccountUsers(self._name("account"), str(users), matching)

    def _related(self, found: Found, place: Place) -> Condition | None:
        keys = ("related", "where", "count", "through")
        check_keys(found, keys, place, self.mistakes)
        before = len(self.mistakes.found)
        name, at = found["related"], (*place, "related")
        table = self.catalogue.tables.get(name) if isinstance(name, str) else None
        if table is None:
            related = [
                one
                for one in self.catalogue.tables
                if one not in self.audiences and find_paths(one, self.catalogue)
            ]
            self.mistakes.add(at, f"unknown model '{name}'; {nearest(name, related)}")
            return None
        paths = find_paths(table.model, self.catalogue)
        if "through" in found:
            paths = [path for path in paths if path.through == found["through"]]
        if len(paths) != 1:
            self.mistakes.add(at, _no_path(table.model, [path.words for path in paths]))
            return None
        where = None
        if "where" in found:
            scope = Scope(rows=table, word="column")
            where = read_where(
                found["where"], (*place, "where"), self.mistakes, scope=scope
            )
        count: Comparison | None = _ONCE
        if "count" in found:
            count = self._number(_COUNT, found["count"], (*place, "count"))
        if count is None or len(self.mistakes.found) > before:
            return None
        return Related(self._name(f"related_{name}"), table, paths[0], where, count)

    def _event(self, found: Found, key: str, place: Place) -> Table | None:
        """The event that stands under a key; what else is asked of it stands beside."""
        event = self.catalogue.event(found[key], found)
        if event is None:
            hint = nearest(found[key], self.catalogue.event_names)
            self._mistake(place, key, f"unknown event '{found[key]}'; {hint}")
        return event

    def _where(
        self, found: Found, place: Place, event: Table | None
    ) -> Condition | None:
        if "where" not in found or event is None:
            return None
        scope = Scope(rows=event, traits=self.catalogue)
        return read_where(found["where"], (*place, "where"), self.mistakes, scope=scope)

    def _of_property(
        self, event: Table, function: str, outer: Found, outside: Place
    ) -> tuple[Column, Comparison] | None:
        """The property that a number is made of, and what it has to be."""
        found, place = outer[function], (*outside, function)
        if not isinstance(found, Mapping) or "property" not in found:
            self.mistakes.add(place, "takes a property and an operator")
            return None
        name = found["property"]
        column = event.columns.get(name) if isinstance(name, str) else None
        if column is None:
            hint = nearest(name, event.columns)
            self._mistake(place, "property", f"unknown property '{name}'; {hint}")
            return None
        has_order = column.kind == "time" and function in ("minimum", "maximum")
        if column.kind not in ("number", "unknown") and not has_order:
            self._mistake(
                place,
                "property",
                f"'{name}' is {column.data_type}, which has no {function}",
            )
            return None
        made = Column(f"{function} of {name}", column.data_type)
        rest = {key: value for key, value in found.items() if key != "property"}
        comparison = read_comparison(made, rest, place, self.mistakes)
        return None if comparison is None else (column, comparison)

    def _number(self, column: Column, found: object, place: Place) -> Comparison | None:
        if not isinstance(found, Mapping):
            self.mistakes.add(place, "takes an operator, as {at_least: 2}")
            return None
        comparison = read_comparison(column, found, place, self.mistakes)
        if comparison is not None and not comparison.values:
            self.mistakes.add(place, "is always known; compare it with a number")
            return None
        return comparison

    def _name(self, wanted: str) -> str:
        """A name for a CTE that nothing else in the query has."""
        number, name = 1, wanted
        while name in self.names | self.audiences | set(self.catalogue.tables):
            number += 1
            name = f"{wanted}_{number}"
        self.names.add(name)
        return name

    def _mistake(self, place: Place, key: str, message: str) -> None:
        self.mistakes.add((*place, key), message)


def _listed(found: object) -> tuple[str, ...]:
    """One name or a list of them."""
    return tuple(map(str, found if isinstance(found, list) else [found]))


def _no_path(model: str, ways: list[str]) -> str:
    if not ways:
        return (
            f"nothing leads from '{model}' to people: give its key, or that of a model "
            "between them, a `relationships` test"
        )
    return f"several ways lead to people ({'; '.join(ways)}); say which by `through`"
