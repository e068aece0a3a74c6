"""Traits that dbt builds: in full, after more events, and as they were before."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import yaml

from collector.datasets import EVENTS
from collector.landing import ensure_datasets, write_file
from orchestration.dbt_runs import run_dbt
from orchestration.project import DBT_PROJECT
from orchestration.traits.asof import AsOfProblem, traits_as_of
from orchestration.traits.types import same_type
from profiles.published import publish
from tests.dbt.conftest import parsed
from tests.traits import reference

FIRST = datetime(2026, 11, 10, 12, tzinfo=UTC)
SECOND = FIRST + timedelta(days=5)
THIRD = SECOND + timedelta(days=1)
MODELS = ("traits_identity", "traits_shopping", "traits_of_accounts")
CONDITIONS = ("conditions_order_completed", "conditions_product_viewed")
BUSY = ("ann", "ben", "cid")
# Of these little is heard, so that most profiles are not touched by a build.
QUIET = tuple(f"quiet-{number}" for number in range(120))
Rows = dict[str, dict[str, Any]]


def calls(
    random: Random,
    *,
    since: datetime,
    until: datetime,
    size: int,
    people: tuple[str, ...] = BUSY,
) -> list[Any]:
    """Calls of a few people that came in between; some happened long before, and some
    clocks run ahead."""
    rows = []
    for number in range(size):
        person = random.choice(people)
        received_at = since + (until - since) * random.random()
        lag = random.choice([0, 0, 1, 24 * 8, 24 * 40, -24 * 3])
        event, properties = random.choice(
            [
                (
                    "Order Completed",
                    {
                        "order_id": str(number),
                        "total": random.choice([5, 12.5, 99.99]),
                        "currency": "EUR",
                        "coupon": random.choice(["TEN", "FIVE"]),
                    },
                ),
                (
                    "Product Viewed",
                    {
                        "product_id": random.choice(["mug", "cup"]),
                        "name": "x",
                        "category": random.choice(["tea", "coffee"]),
                        "price": 1,
                        "currency": "EUR",
                    },
                ),
                ("Signed Up", {"method": random.choice(["email", "google"])}),
                (None, None),
            ]
        )
        row = dict.fromkeys(EVENTS.schema.names) | {
            "message_id": f"{since:%d}-{person}-{number}",
            "type": "track" if event else random.choice(["identify", "group"]),
            "event": event,
            "user_id": person,
            "timestamp": received_at - timedelta(hours=lag),
            "received_at": received_at,
            "source_id": "shop",
            "flags": [],
            "properties": properties,
        }
        if row["type"] == "identify":
            row["traits"] = {
                "country": random.choice(["GB", "IE", None]),
                "marketing_consent": random.choice([True, False]),
            }
        if row["type"] == "group":
            row["group_id"] = random.choice(["acme", "bolt"])
        rows.append(row)
    return rows


class Warehouse:
    """A data directory into which events are landed and from which dbt builds."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.published = data_dir / "published"
        ensure_datasets(data_dir / "raw")

    def land(self, rows: list[Any], segment: str) -> None:
        landed = [
            {
                **row,
                **{
                    name: row[name] if row[name] is None else as_json(row[name])
                    for name in ("properties", "traits")
                },
                "segment": segment,
                "position": place,
            }
            for place, row in enumerate(rows)
        ]
        table = pa.Table.from_pylist(landed, schema=EVENTS.schema)
        write_file(
            self.data_dir / "raw",
            EVENTS,
            table,
            partition={"dt": "2026-11-01"},
            name=segment,
        )

    def build(self, moment: datetime, *options: str) -> None:
        selected = ["--select", "+path:models/traits", "+profiles", "+accounts"]
        selected += [f"+{name}" for name in CONDITIONS]
        run = run_dbt(
            ["run", *selected, *options],
            data_dir=self.data_dir,
            project_dir=DBT_PROJECT,
            moment=moment,
            manifest=parsed(()).deepcopy(),
        )
        assert run.succeeded, [one for one in run.nodes if one.status == "error"]

    def traits(self) -> dict[str, Rows]:
        with self.connect() as connection:
            tables = [f"traits.{model}" for model in MODELS]
            tables += [f"audiences.{model}" for model in CONDITIONS]
            return {
                table.partition(".")[2]: by_key(
                    connection.sql(f"from {table}").to_arrow_table()
                )
                for table in tables
            }

    def left_alone(self) -> str:
        """A profile to which nothing happens between the second build and the third:
        none of its events is new, and no edge of a window passes one."""
        with self.connect() as connection:
            [(profile_id, *_), *_] = connection.execute(
                """
                select profile_id from traits.traits_shopping
                where profile_id in (
                    select profile_id from events.events
                    group by profile_id
                    having
                        max(timestamp) < $third - interval 40 days
                        and min(timestamp) > $third - interval 80 days
                )
                order by profile_id
                """,
                {"third": THIRD},
            ).fetchall()
            return str(profile_id)

    def connect(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(self.data_dir / "warehouse.duckdb")
        connection.execute("set TimeZone = 'UTC'")
        return connection


def as_json(value: Any) -> str:
    """JSON as the collector writes it."""
    return json.dumps(value, separators=(",", ":"))


def by_key(table: pa.Table) -> Rows:
    key = table.column_names[0]
    return {row.pop(key): row for row in table.to_pylist()}


def first_of(rows: Rows) -> dict[str, Any]:
    """Any row."""
    return next(iter(rows.values()))


@pytest.fixture(scope="module")
def first_rows() -> list[Any]:
    random = Random(1)  # noqa: S311 - nothing secret
    since = FIRST - timedelta(days=60)
    browsed = calls(random, since=since, until=FIRST, size=9, people=("browser",))
    [ann] = calls(random, since=since, until=FIRST, size=1, people=("ann",))
    return [
        {**ann, "message_id": "of-a-phone", "anonymous_id": "phone"},
        *calls(random, since=since, until=FIRST, size=150),
        *calls(random, since=since, until=FIRST, size=180, people=QUIET),
        *({**row, "user_id": None, "anonymous_id": row["user_id"]} for row in browsed),
    ]


@pytest.fixture(scope="module")
def second_rows() -> list[Any]:
    random = Random(2)  # noqa: S311 - nothing secret
    return calls(random, since=FIRST, until=SECOND, size=60)


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory,
    first_rows: list[Any],
    second_rows: list[Any],
) -> tuple[Warehouse, dict[str, Rows], dict[str, Rows]]:
    """A warehouse that was built, got more events, and was built again: with what the
    traits were each time."""
    warehouse = Warehouse(tmp_path_factory.mktemp("data"))
    warehouse.land(first_rows, "first")
    warehouse.build(FIRST)
    then = warehouse.traits()
    warehouse.land(second_rows, "second")
    warehouse.build(SECOND)
    publish(warehouse.data_dir / "warehouse.duckdb", warehouse.published)
    return warehouse, then, warehouse.traits()


def test_built_traits_are_what_python_gives(
    built: tuple[Warehouse, dict[str, Rows], dict[str, Rows]],
    first_rows: list[Any],
    second_rows: list[Any],
) -> None:
    warehouse, then, now = built
    entry = yaml.safe_load(
        (DBT_PROJECT / "models/traits/traits_shopping.yml").read_text()
    )["models"][0]
    definitions = {
        column["name"]: column["config"]["meta"]["trait"]
        for column in entry["columns"][1:]
    }
    names = {
        "order_completed": "Order Completed",
        "product_viewed": "Product Viewed",
        "signed_up": "Signed Up",
    }
    with warehouse.connect() as connection:
        people = dict(
            connection.execute(
                "select identifier_value, profile_id from identity.profile_identifiers "
                "where identifier_value <> 'phone'"
            ).fetchall()
        )
    assert set(people) >= set(BUSY)
    for moment, rows, found in (
        (FIRST, first_rows, then),
        (SECOND, [*first_rows, *second_rows], now),
    ):
        for person, profile_id in people.items():
            for name, definition in definitions.items():
                mine = [
                    {**row, **row["properties"]}
                    for row in rows
                    if row["event"] == names[definition["event"]]
                    and person in (row["user_id"], row["anonymous_id"])
                ]
                wanted = reference.value_of(definition, mine, moment, {})
                row = found["traits_shopping"].get(profile_id)
                got: Any = row[name] if row else 0 if wanted == 0 else None
                if isinstance(wanted, float):
                    wanted = pytest.approx(wanted)
                    got = float(got)
                assert got == wanted, (person, name)
    assert then != now


def test_a_build_after_more_events_gives_what_a_full_one_gives(
    built: tuple[Warehouse, dict[str, Rows], dict[str, Rows]], first_rows: list[Any]
) -> None:
    """Some events come late, and two profiles become one. Of others a window has left
    events behind; whoever nothing happened to is left alone."""
    warehouse, _, now = built
    random = Random(3)  # noqa: S311 - nothing secret
    fresh = calls(random, since=SECOND, until=THIRD, size=10)
    late = {**first_rows[0], "message_id": "late", "user_id": QUIET[0]}
    meeting = {
        **fresh[0],
        "message_id": "meeting",
        "type": "identify",
        "event": None,
        "properties": None,
        "user_id": QUIET[1],
        "anonymous_id": "browser",
    }
    warehouse.land([*fresh, late, meeting], "third")
    alone = warehouse.left_alone()
    with warehouse.connect() as connection:
        connection.execute(
            "update traits.traits_shopping set largest_order = -1 where profile_id = ?",
            [alone],
        )
    warehouse.build(THIRD)
    found = warehouse.traits()
    warehouse.build(THIRD, "--full-refresh")
    wanted = warehouse.traits()
    assert found["traits_shopping"][alone].pop("largest_order") == -1
    del wanted["traits_shopping"][alone]["largest_order"]
    assert found == wanted
    assert set(now["traits_shopping"]) - set(found["traits_shopping"])


@pytest.mark.parametrize("when", ["then", "now"])
def test_traits_as_of_a_moment_are_those_that_a_build_gave_then(
    built: tuple[Warehouse, dict[str, Rows], dict[str, Rows]], when: str
) -> None:
    warehouse, then, now = built
    moment, wanted = {"then": (FIRST, then), "now": (SECOND, now)}[when]
    of_people = by_key(
        traits_as_of(
            moment,
            per="profile",
            data_dir=built[0].data_dir,
            project_dir=DBT_PROJECT,
            published_dir=warehouse.published,
            names=("traits_identity", "traits_shopping", "traits_identity"),
        )
    )
    identity, shopping = wanted["traits_identity"], wanted["traits_shopping"]
    assert set(of_people) == set(identity) | set(shopping)
    nothing = dict.fromkeys([*first_of(identity), *first_of(shopping)])
    for person, found in of_people.items():
        told = identity.get(person, {}) | shopping.get(person, {})
        assert found == nothing | told


def test_traits_of_accounts_have_a_past_too(
    built: tuple[Warehouse, dict[str, Rows], dict[str, Rows]],
) -> None:
    warehouse, then, _ = built
    of_accounts = traits_as_of(
        FIRST,
        per="account",
        data_dir=warehouse.data_dir,
        project_dir=DBT_PROJECT,
        published_dir=warehouse.published,
    )
    assert by_key(of_accounts) == then["traits_of_accounts"]
    assert of_accounts.num_rows


def test_only_compiled_traits_have_a_past(
    built: tuple[Warehouse, dict[str, Rows], dict[str, Rows]],
) -> None:
    with pytest.raises(AsOfProblem, match="no traits 'traits_orders' per profile are"):
        traits_as_of(
            FIRST,
            per="profile",
            data_dir=built[0].data_dir,
            project_dir=DBT_PROJECT,
            published_dir=built[0].published,
            names=("traits_orders",),
        )


def test_columns_are_of_the_types_that_the_ymls_say(
    built: tuple[Warehouse, dict[str, Rows], dict[str, Rows]],
) -> None:
    with built[0].connect() as connection:
        types = {
            (model, column): data_type
            for model, column, data_type in connection.execute(
                "select table_name, column_name, data_type "
                "from information_schema.columns"
            ).fetchall()
        }
    models = [*(DBT_PROJECT / "models/traits").glob("*.yml")]
    models += [DBT_PROJECT / "models/profiles/profiles.yml"]
    models += [DBT_PROJECT / "models/entities/accounts.yml"]
    for path in models:
        [entry] = yaml.safe_load(path.read_text())["models"]
        said = {column["name"]: column["data_type"] for column in entry["columns"]}
        made = {name for model, name in types if model == entry["name"]}
        assert set(said) == made, path.name
        for name, data_type in said.items():
            found = types[entry["name"], name].replace(",", ", ")
            assert same_type(found, data_type), (path.name, name, found)
