"""What people belong to: their accounts, and whatever else is related to them.

`{account: {users: any, matching: …}}`, `{account: {where: […]}}` and
`{related: subscriptions, where: […], count: {at_least: 1}}`. How a model is related to
people the project's own `relationships` tests say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from orchestration.audiences.events import times_words
from orchestration.audiences.sources import Sources, matched, rows_where
from orchestration.conditions.catalogue import PERSON, PROFILES, Catalogue, Table
from orchestration.conditions.comparisons import Column, Comparison
from orchestration.conditions.dbt_sql import column
from orchestration.conditions.trees import Condition, Names

ACCOUNTS = "accounts"
ACCOUNT_PROFILES = "account_profiles"
ACCOUNT = "account_id"

USERS = ("any", "all", "none")
"""How many of an account's people have to match."""

_COUNT = "row_count"


@dataclass(frozen=True)
class AccountUsers:
    """People in an account of whose people any, all or none match. `name` is that of
    its CTE."""

    name: str
    users: str
    matching: Condition
    parts: tuple[Condition, ...] = ()

    @property
    def words(self) -> str:
        people = {"any": "somebody", "all": "everybody", "none": "nobody"}[self.users]
        return f"is in an account where {people} matches ({self.matching.words})"

    def holds(self, names: Names) -> exp.Expr:
        return _is_there(names, self.name)

    def define(self, sources: Sources) -> None:
        sources.use(ACCOUNT_PROFILES, PROFILES)
        person = column(PERSON, PROFILES)
        people = (
            exp.select(column(ACCOUNT, ACCOUNT_PROFILES))
            .from_(exp.table_(ACCOUNT_PROFILES))
            .join(
                exp.table_(PROFILES),
                on=column(PERSON, ACCOUNT_PROFILES).eq(person),
                join_type="inner",
            )
        )
        people, [holds] = matched([self.matching], people, person, sources)
        matches = exp.Case().when(holds, exp.Literal.number(1))
        matches = matches.else_(exp.Literal.number(0))
        function = "min" if self.users == "all" else "max"
        wanted = exp.Literal.number(0 if self.users == "none" else 1)
        people = people.group_by(column(ACCOUNT, ACCOUNT_PROFILES)).having(
            exp.func(function, matches).eq(wanted)
        )
        accounts = f"{self.name}_accounts"
        sources.add(accounts, people)
        sources.add(self.name, _people_of(accounts))


@dataclass(frozen=True)
class AccountIs:
    """People in an account that meets a condition on its own columns and traits."""

    name: str
    where: Condition
    parts: tuple[Condition, ...] = ()

    @property
    def words(self) -> str:
        return f"is in an account whose {self.where.words}"

    def holds(self, names: Names) -> exp.Expr:
        return _is_there(names, self.name)

    def define(self, sources: Sources) -> None:
        sources.use(ACCOUNT_PROFILES)
        accounts = f"{self.name}_accounts"
        found, where = rows_where(ACCOUNTS, self.where, sources, key=ACCOUNT)
        table = ACCOUNTS if found.args.get("joins") else None
        sources.add(accounts, found.select(column(ACCOUNT, table)).where(where))
        sources.add(self.name, _people_of(accounts))


@dataclass(frozen=True)
class Path:
    """How rows of a model are joined to people: by `column` of the model to `key` of
    `through`, which has the person (`person`), directly or over another model."""

    model: str
    column: str
    through: str
    key: str
    person: str = PERSON

    @property
    def is_direct(self) -> bool:
        """Whether nothing stands between the model and the profiles."""
        return self.through == PROFILES

    @property
    def words(self) -> str:
        """The way, as columns."""
        way = f"{self.model}.{self.column} = {self.through}.{self.key}"
        return way if self.is_direct else f"{way}, {self.through}.{self.person}"


@dataclass(frozen=True)
class Related:
    """People to whom so many rows of another model belong."""

    name: str
    table: Table
    path: Path
    where: Condition | None
    count: Comparison
    parts: tuple[Condition, ...] = ()

    @property
    def words(self) -> str:
        where = f" whose {self.where.words}" if self.where else ""
        return f"has {self.table.model}{where}, {times_words(self.count)}"

    def holds(self, names: Names) -> exp.Expr:
        found = names(self.name, Column(_COUNT))
        rows = exp.Coalesce(this=found, expressions=[exp.Literal.number(0)])
        return self.count.holds(rows)

    def define(self, sources: Sources) -> None:
        path = self.path
        rows, where = rows_where(self.table.model, self.where, sources)
        person = column(path.column)
        if not path.is_direct or path.key != PERSON:
            links = self._links(sources)
            person = column(path.person, links)
            on = column(path.column, self.table.model).eq(column(path.key, links))
            rows = rows.join(exp.table_(links), on=on, join_type="inner")
            if self.where is not None:
                where = self.where.holds(lambda table, found: column(found.name, table))
        sources.add(
            self.name,
            rows.select(
                person if person.name == PERSON else exp.alias_(person, PERSON),
                exp.alias_(exp.Count(this=exp.Star()), _COUNT),
            )
            .where(*([where] if where else []))
            .group_by(person.copy()),
        )

    def _links(self, sources: Sources) -> str:
        """Which person belongs to which key; a pair that stands there twice is one
        relation all the same."""
        path = self.path
        sources.use(path.through)
        if path.is_direct:
            return path.through
        keys = [column(name) for name in (path.person, path.key)]
        links = exp.select(*keys).distinct().from_(exp.table_(path.through))
        sources.add(f"{self.name}_links", links)
        return f"{self.name}_links"


def find_paths(model: str, catalogue: Catalogue) -> list[Path]:
    """The ways from a model to people, the direct one alone if there is one."""
    if model == PROFILES:
        return []
    direct = list(_joins(model, PROFILES, catalogue))
    if direct:
        return [
            Path(model, mine, PROFILES, theirs)
            for mine, theirs in dict.fromkeys(direct)
        ]
    return [
        Path(model, mine, junction, theirs, person)
        for junction in sorted(catalogue.tables)
        if junction not in (model, PROFILES, *catalogue.audiences)
        for person, key in dict.fromkeys(_joins(junction, PROFILES, catalogue))
        if key == PERSON
        for mine, theirs in dict.fromkeys(_joins(model, junction, catalogue))
    ]


def _joins(one: str, other: str, catalogue: Catalogue) -> Iterator[tuple[str, str]]:
    """Columns by which two models are joined, the first one's before the other's."""
    for relation in catalogue.relations:
        if (relation.model, relation.to_model) == (one, other):
            yield relation.column, relation.to_column
        elif (relation.model, relation.to_model) == (other, one):
            yield relation.to_column, relation.column


def _people_of(accounts: str) -> exp.Select:
    """Everybody who belongs to one of the accounts."""
    return (
        exp.select(column(PERSON, ACCOUNT_PROFILES))
        .distinct()
        .from_(exp.table_(ACCOUNT_PROFILES))
        .join(
            exp.table_(accounts),
            on=column(ACCOUNT, ACCOUNT_PROFILES).eq(column(ACCOUNT, accounts)),
            join_type="inner",
        )
    )


def _is_there(names: Names, table: str) -> exp.Expr:
    found = names(table, Column(PERSON))
    return exp.Is(this=found, expression=exp.Not(this=exp.null()))
