"""Splits with strata: each group gets its share of each stratum, and nobody changes.

The project is as small as it can be: the real models of audiences and their splits,
over tables that a test fills. What they make is held against a plain evaluation.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from tests.dbt.conftest import PROJECT_DIR, Project
from tests.dbt.test_left_out import place
from tests.identity.clusters_project import arrow_table

CONFIG = """
name: kith
version: 0.1.0
config-version: 2
profile: kith
macro-paths: [macros]
target-path: "{{ env_var('KITH_DATA_DIR') }}/dbt/target"
flags: {warn_error_options: {silence: [ConfigTargetPathDeprecation]}}
models:
  kith:
    people: {+schema: people, +materialized: view}
    audiences:
      +schema: audiences
      +materialized: audience
      +pre-hook: "{{ depend_on_audience_log(model) }}"
      audience_changes: {+materialized: incremental}
      audience_freshness: {+materialized: incremental}
      audience_memberships: {+materialized: view}
      audience_placements: {+materialized: incremental}
      audience_splits: {+materialized: view}
"""
SOURCES = """
sources:
  - name: seed
    tables: [{name: profiles}, {name: profile_identifiers}, {name: profile_merges}]
"""
AUDIENCES = """
models:
  - name: by_country
    config:
      meta:
        splits:
          groups: {a: 50, holdout: 50}
          salt: "{{ var('salt') }}"
          strata: [country]
  - name: by_all
    config:
      meta:
        splits:
          groups: "{{ var('groups') }}"
          strata: [country, plan, level]
"""
TEXT = pa.string()
PROFILES = pa.schema(
    {
        **{"profile_id": TEXT, "country": TEXT, "plan": TEXT},
        **{"level": pa.int64(), "is_member": pa.bool_()},
    }
)
IDENTIFIERS = pa.schema(
    {"profile_id": TEXT, "identifier_type": TEXT, "identifier_value": TEXT}
)
MERGES = pa.schema({"losing_profile_id": TEXT, "profile_id": TEXT})
GROUPS = {"a": 50, "holdout": 50}
VARS = ("--vars", "{groups: {a: 33.3, b: 56.7, holdout: 10}, salt: spring}")
CHANGED = ("--vars", "{groups: {a: 53.3, b: 36.7, holdout: 10}, salt: autumn}")
# No share of any number of turns is missed by more.
MISSED = 8


def write_project(directory: Path) -> Path:
    audiences = PROJECT_DIR / "models/audiences"
    files = {
        "dbt_project.yml": CONFIG,
        "profiles.yml": (PROJECT_DIR / "profiles.yml").read_text(),
        "models/people/sources.yml": SOURCES,
        "models/audiences/audiences.yml": AUDIENCES,
        "models/audiences/audience_freshness.sql": (
            PROJECT_DIR / "models/monitoring/audience_freshness.sql"
        ).read_text(),
    }
    for name in ("profiles", "profile_identifiers", "profile_merges"):
        file = f"models/people/{name}.sql"
        files[file] = f"from {{{{ source('seed', '{name}') }}}}"
    for name in ("changes", "memberships", "placements", "splits"):
        model = audiences / f"audience_{name}.sql"
        files[f"models/audiences/{model.name}"] = model.read_text()
    for name in ("by_country", "by_all"):
        files[f"models/audiences/{name}.sql"] = (
            "select profile_id from {{ ref('profiles') }} where is_member"
        )
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    (directory / "macros").symlink_to(PROJECT_DIR / "macros")
    return directory


@dataclass
class Person:
    """What the profile of a person is like, and what it has been called."""

    country: str | None = None
    plan: str = ""
    level: int = 0
    is_member: bool = True
    names: list[str] = field(default_factory=list)


Values = tuple[str | None, str, int]
Found = tuple[str | None, str | None, bool]


def profile_id(name: str) -> str:
    return hashlib.md5(f"user_id:{name}".encode(), usedforsecurity=False).hexdigest()[
        :16
    ]


@dataclass
class Split:
    """The plain evaluation: people take turns, one after the other."""

    groups: Mapping[str, float]
    salt: str
    columns: tuple[str, ...]
    turns: dict[str, tuple[str, int]] = field(default_factory=dict)
    placed_in: dict[str, int] = field(default_factory=dict)
    lengths: Counter[str] = field(default_factory=Counter)

    def take_in(self, people: Mapping[str, Person], build: int) -> None:
        placed = dict(self.turns)
        new = [name for name, one in people.items() if one.is_member]
        new = [name for name in new if name not in placed]
        for name in sorted(new, key=lambda name: number_of(self.salt, name)):
            self.placed_in[name] = build
            former = [one for one in people[name].names if one in placed]
            if former:
                first = min(
                    former, key=lambda one: (self.placed_in[one], profile_id(one))
                )
                self.turns[name] = placed[first]
                continue
            stratum = self.stratum(people[name])
            self.lengths[stratum] += 1
            self.turns[name] = stratum, self.lengths[stratum]

    def stratum(self, person: Person) -> str:
        values = [getattr(person, column) for column in self.columns]
        texts = ["" if value is None else str(value) for value in values]
        return " | ".join(text.replace("|", "||") for text in texts)

    def group(self, stratum: str, turn: int) -> str:
        at = (place(self.salt, stratum) + turn * 723_771) % 1_000_000
        end = 0.0
        for name, percent in self.groups.items():
            end += percent
            if at < round(end * 10_000):
                return name
        raise AssertionError(at)


def number_of(salt: str, name: str) -> int:
    """Decides who comes first of those who come together."""
    text = f"{salt}:{profile_id(name)}"
    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[8:], "little") >> 1


@dataclass
class World:
    """The people, the project that splits them, and how they ought to be split."""

    project: Project
    people: dict[str, Person] = field(default_factory=dict)
    builds: int = 0
    country: Split = field(
        default_factory=lambda: Split(GROUPS, "spring", ("country",))
    )
    everything: Split = field(
        default_factory=lambda: Split(
            {"a": 33.3, "b": 56.7, "holdout": 10},
            "by_all",
            ("country", "plan", "level"),
        )
    )

    def change(
        self, comers: dict[str, Values], turned: set[str], merged: dict[str, str]
    ) -> None:
        """People come or have other traits; members leave or return; two are one."""
        known = {one for person in self.people.values() for one in person.names}
        for name, (country, plan, level) in comers.items():
            if name not in known:
                person = self.people.setdefault(name, Person())
                person.country, person.plan, person.level = country, plan, level
        for name in turned & self.people.keys():
            self.people[name].is_member ^= True
        for losing, name in merged.items():
            if losing != name and {losing, name} <= self.people.keys():
                gone = self.people.pop(losing)
                self.people[name].names += [losing, *gone.names]

    def build(self, *arguments: str) -> None:
        """Fill the tables, run dbt, evaluate, and compare."""
        self._fill()
        self.builds += 1
        self.project.dbt("run", *VARS, *arguments)
        for audience, split in (
            ("by_country", self.country),
            ("by_all", self.everything),
        ):
            split.take_in(self.people, self.builds)
            self.check(audience, split)

    def check(self, audience: str, split: Split) -> None:
        expected = {}
        for name, person in self.people.items():
            if person.is_member:
                stratum, turn = split.turns[name]
                group = split.group(stratum, turn)
                expected[profile_id(name)] = (stratum, group, group == "holdout")
        assert self.found(audience) == expected
        assert {
            profile: (stratum, turn)
            for profile, stratum, turn in self.project.query(
                "select profile_id, stratum, turn from audiences.audience_placements "  # noqa: S608
                f"where audience = '{audience}' and salt = '{split.salt}'"
            )
        } == {profile_id(name): turn for name, turn in split.turns.items()}

    def found(self, audience: str) -> dict[str, Found]:
        """Each member's stratum, group, and whether it is the holdout."""
        rows = self.project.query(
            "select profile_id, stratum, split, is_holdout "  # noqa: S608
            f"from audiences.audience_splits where audience = '{audience}'"
        )
        assert len({row[0] for row in rows}) == len(rows)
        return {row[0]: (*row[1:],) for row in rows}

    def forget(self) -> None:
        """A warehouse with nothing in it."""
        self.__init__(self.project)  # type: ignore[misc]
        self.project.query("drop schema if exists audiences cascade")

    def _fill(self) -> None:
        profiles = [
            (profile_id(name), one.country, one.plan, one.level, one.is_member)
            for name, one in self.people.items()
        ]
        identifiers = [
            (profile_id(name), "user_id", known)
            for name, one in self.people.items()
            for known in (name, *one.names)
        ]
        tables = {
            "profiles": arrow_table(profiles, PROFILES),
            "profile_identifiers": arrow_table(identifiers, IDENTIFIERS),
            "profile_merges": arrow_table([], MERGES),
        }
        with duckdb.connect(self.project.data_dir / "warehouse.duckdb") as connection:
            connection.execute("drop schema if exists seed cascade; create schema seed")
            for name, table in tables.items():
                connection.register("rows", table)
                connection.execute(f"create table seed.{name} as from rows")
                connection.unregister("rows")


@pytest.fixture(scope="module")
def world(
    make_project: Callable[[], Project], tmp_path_factory: pytest.TempPathFactory
) -> World:
    """A project that is parsed once."""
    project = make_project()
    project.project_dir = write_project(tmp_path_factory.mktemp("strata"))
    return World(project)


# What happens before a build: who is known as what, who leaves or returns, and who
# turns out to be whom.
NAMES = st.integers(0, 39).map("p{:02}".format)
VALUES = st.tuples(
    st.sampled_from([None, "", "DE", "FR"]),
    st.sampled_from(["", "pro", "|", "| pro", "pro |", "pro | 1"]),
    st.integers(0, 1),
)
BUILDS = st.lists(
    st.tuples(
        st.dictionaries(NAMES, VALUES, min_size=5, max_size=25),
        st.sets(NAMES, max_size=12),
        st.dictionaries(NAMES, NAMES, max_size=8),
    ),
    min_size=3,
    max_size=3,
)
Build = tuple[dict[str, Values], set[str], dict[str, str]]


@settings(
    max_examples=2,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
)
@given(builds=BUILDS)
# Of two that turn out to be a third who was never placed, the one placed first counts.
@example(
    builds=[
        ({"p02": ("DE", "", 0), "p00": ("FR", "", 0)}, {"p00"}, {}),
        ({"p04": ("FR", "pro", 1)}, set(), {}),
        ({}, {"p00"}, {"p04": "p00", "p02": "p00"}),
    ]
)
def test_turns_are_those_of_a_plain_evaluation_whatever_happens(
    world: World, builds: list[Build]
) -> None:
    world.forget()
    groups: dict[str, Found] = {}
    for build in builds:
        world.change(*build)
        world.build()
        for profile, found in world.found("by_all").items():
            assert groups.setdefault(profile, found) == found


def test_each_group_has_its_share_of_each_stratum_at_any_time(world: World) -> None:
    """Strata of one person each fall to all groups alike."""
    world.forget()
    for number in range(2):
        for turn in range(60):
            name = f"{number}-{turn}"
            country = ("DE", "FR", f"{name}-land")[min(turn % 9, 2)]
            world.people[name] = Person(country=country, level=turn)
        world.build()
        counts: dict[str | None, Counter[str | None]] = {}
        for stratum, group, _ in world.found("by_country").values():
            counts.setdefault(stratum, Counter())[group] += 1
        for country in ("DE", "FR"):
            assert abs(counts[country]["a"] - counts[country]["holdout"]) <= 2
        alone = Counter[str | None]()
        for stratum, found in counts.items():
            alone.update(found if stratum not in ("DE", "FR") else {})
        assert min(alone["a"], alone["holdout"]) > 0.25 * alone.total()
    before = {name: world.found(name) for name in ("by_country", "by_all")}

    world.build("--full-refresh")
    assert {name: world.found(name) for name in before} == before
    world.people["1-0"].is_member = False
    world.build()

    # Other shares move nobody but from the group that shrinks to the one that grows.
    # Another salt reaches the view first: nobody is placed, nobody sent anything.
    world.project.dbt("run", *CHANGED, "--select", "audience_splits")
    moved = Counter(
        (before["by_all"][profile][1], group)
        for profile, (_, group, _) in world.found("by_all").items()
        if group != before["by_all"][profile][1]
    )
    assert moved.keys() == {("b", "a")}
    for _, group, is_holdout in world.found("by_country").values():
        assert (group, is_holdout) == (None, True)
    world.project.dbt("run", *CHANGED, "--select", "by_country")
    world.country = Split(GROUPS, "autumn", ("country",))
    world.country.take_in(world.people, build=1)
    world.check("by_country", world.country)


@given(
    length=st.integers(1, 3000),
    start=st.integers(0, 999_999),
    bounds=st.tuples(st.integers(0, 1_000_000), st.integers(0, 1_000_000)),
)
@settings(deadline=None)
def test_any_range_of_places_has_its_share_of_any_number_of_turns(
    length: int, start: int, bounds: tuple[int, int]
) -> None:
    lower, upper = sorted(bounds)
    places = ((start + turn * 723_771) % 1_000_000 for turn in range(1, length + 1))
    found = sum(lower <= at < upper for at in places)
    assert abs(found - length * (upper - lower) / 1_000_000) < MISSED
