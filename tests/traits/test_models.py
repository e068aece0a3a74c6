"""The text of compiled models: what it gives, and how often it reads the events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from random import Random
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from jinja2 import Environment

from orchestration.conditions.layout import model_text
from orchestration.conditions.reading import Mistakes
from orchestration.traits.queries import topic_query
from orchestration.traits.reading import read_topic
from tests.engines.macros import macros
from tests.traits.worlds import (
    CATALOGUE,
    NOW,
    answer,
    make_world,
    rows_by_key,
    topic_of,
)

RULES: Mapping[str, Mapping[str, Any]] = {
    "latest": {"trait": "name", "rule": "most_recent"},
    "earliest": {"trait": "name", "rule": "first"},
    "commonest": {"trait": "name", "rule": "most_frequent"},
    "trusted": {
        "trait": "name",
        "rule": "source_priority",
        "sources": ["crm", "shop"],
    },
    "fullest": {"trait": "name", "rule": "longest"},
    "latest_of_shop": {"trait": "name", "rule": "most_recent", "sources": ["shop"]},
    "commonest_of_web": {
        "trait": "name",
        "rule": "most_frequent",
        "sources": ["web", "crm"],
    },
    "lowered": {"trait": "name", "rule": "most_recent", "lower": True},
    "agreed": {"trait": "agreed", "rule": "most_recent"},
    "age": {"trait": "age", "rule": "most_recent"},
    "born_at": {"trait": "born", "rule": "first"},
}
TYPES = {"agreed": "boolean", "age": "bigint", "born_at": "timestamptz"}


def rendered(text: str) -> str:
    """A model as dbt gives it to DuckDB, if a build began now."""
    known: dict[str, Any] = macros("duckdb")
    known["run_started_at"] = NOW
    return Environment().from_string(text).render(known, ref=str)  # noqa: S701 - SQL


def identify_calls(random: Random, size: int) -> list[dict[str, Any]]:
    times = [NOW + timedelta(hours=hours) for hours in (-30, -20, -20, -10, 0, 1)]
    return [
        {
            "type": random.choice(["identify"] * 5 + ["group"]),
            "source_id": random.choice(["crm", "shop", "web"]),
            "message_id": str(number),
            "profile_id": random.choice([None, "A", "B", "C", "C"]),
            "timestamp": random.choice(times),
            "received_at": random.choice(times),
            "traits": json.dumps(
                {
                    "name": random.choice([None, "", " ", "Al", " AL ", "Bo", "Cleo"]),
                    "agreed": random.choice([None, True, False, "true", 1]),
                    "age": random.choice([None, 7, 8, "9", "old"]),
                    "born": random.choice([None, "2000-01-02T03:04:05Z", "once"]),
                }
            ),
        }
        for number in range(size)
    ]


def told(call: Mapping[str, Any], trait: str) -> Any:
    """The value that a call tells of a trait, if it does."""
    value = json.loads(call["traits"])[trait]
    match trait:
        case "name":
            return (value or "").strip(" ") or None
        case "agreed":
            return None if value is None else value is True
        case "age":
            return None if value in (None, "old") else int(value)
    return NOW.replace(2000, 1, 2, 3, 4, 5) if value not in (None, "once") else None


def golden(definition: Mapping[str, Any], calls: list[dict[str, Any]]) -> Any:
    """The value to keep, of these calls in their order."""
    rule, sources = definition["rule"], definition.get("sources", [])
    found = [
        (call["source_id"], value)
        for call in calls
        if (value := told(call, definition["trait"])) is not None
    ]
    if rule == "source_priority":
        for source in sources:
            if of_source := [value for one, value in found if one == source]:
                return of_source[-1]
        return found[-1][1] if found else None
    values = [value for source, value in found if not sources or source in sources]
    if not values:
        return None
    if definition.get("lower"):
        return values[-1].lower()
    if rule == "first":
        return values[0]
    if rule == "longest":
        return max(reversed(values), key=len)
    if rule == "most_frequent":
        return max(reversed(values), key=values.count)
    return values[-1]


@pytest.mark.parametrize("seed", range(12))
def test_golden_rules_keep_the_value_that_python_keeps(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - nothing secret
    calls = identify_calls(random, 40)
    definitions = {
        name: {"type": "golden", **definition} for name, definition in RULES.items()
    }
    types = {name: TYPES.get(name, "varchar") for name in RULES}
    topic = topic_of(definitions, types, {"per": "profile"})
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.register("given", pa.Table.from_pylist(calls))
        connection.execute("create table events as from given")
        found = rows_by_key(connection, rendered(model_text(topic_query(topic))))
    counted = sorted(
        (one for one in calls if one["type"] == "identify" and one["timestamp"] <= NOW),
        key=lambda one: (
            one["timestamp"],
            one["received_at"],
            one["source_id"],
            one["message_id"],
        ),
    )
    for person in ("A", "B", "C"):
        mine = [call for call in counted if call["profile_id"] == person]
        if not mine:
            assert person not in found
            continue
        wanted = {name: golden(rule, mine) for name, rule in RULES.items()}
        # Of values told equally often, the one told last in any source that counts.
        assert found[person] == wanted


WIDE: dict[str, dict[str, Any]] = {
    "orders": {"type": "event_counter", "event": "thing_done", "within": "30 days"},
    "spent": {
        "type": "aggregation",
        "function": "sum",
        "event": "thing_done",
        "property": "amount",
        "during": "last quarter",
        "where": [
            {"property": "word", "one_of": ["it's", "a\\b", "{{ x }}", "ä %_"]},
            {
                "not": {
                    "any": [
                        {"trait": "country", "equals": "GB"},
                        {"property": "tags", "has": "a"},
                    ]
                }
            },
        ],
    },
    "often": {"type": "most_frequent", "event": "thing_done", "property": "word"},
    "often_lately": {
        "type": "most_frequent",
        "event": "thing_done",
        "property": "word",
        "within": "2 weeks",
    },
    "words": {"type": "unique_list", "event": "thing_done", "property": "word"},
    "number_count": {
        "type": "unique_list_count",
        "event": "thing_done",
        "property": "number",
    },
    "first_word": {"type": "first", "event": "thing_done", "property": "word"},
    "last_seen": {"type": "last", "event": "thing_seen", "property": "seen_at"},
    "seen": {"type": "event_counter", "event": "thing_seen"},
}
WIDE_TYPES = {
    "orders": "bigint",
    "spent": "decimal(18, 2)",
    "often": "varchar",
    "often_lately": "varchar",
    "words": "varchar[]",
    "number_count": "bigint",
    "first_word": "varchar",
    "last_seen": "timestamptz",
    "seen": "bigint",
}


def test_the_text_of_a_model_gives_what_its_query_gives() -> None:
    random = Random(7)  # noqa: S311 - nothing secret
    for per in ("profile", "account"):
        topic = topic_of(WIDE, WIDE_TYPES, {"per": per})
        with make_world(random, 80).connection() as connection:
            found = rows_by_key(connection, rendered(model_text(topic_query(topic))))
            assert found == answer(topic, connection)
            assert found


def scanned(plan: list[dict[str, Any]]) -> list[str]:
    """The tables that a plan of DuckDB reads, as often as it does."""
    found = []
    for step in plan:
        table = step.get("extra_info", {}).get("Table")
        found += [table.rpartition(".")[2]] if table else []
        found += scanned(step.get("children", []))
    return found


def test_a_topic_reads_each_event_model_once() -> None:
    topic = topic_of(WIDE, WIDE_TYPES, {"per": "profile"})
    with make_world(Random(1), 10).connection() as connection:  # noqa: S311
        sql = rendered(model_text(topic_query(topic)))
        plan = connection.execute(f"explain (format json) {sql}").fetchall()[0][1]
    assert sorted(scanned(json.loads(plan))) == [
        "thing_done",
        "thing_seen",
        "traits_known",
    ]


def test_rows_outside_of_the_windows_of_all_traits_are_not_looked_at() -> None:
    asked: dict[str, dict[str, Any]] = {
        "lately": {"type": "event_counter", "event": "thing_done", "within": "2 weeks"},
        "before": {
            "type": "event_counter",
            "event": "thing_done",
            "between": ["30 days", "2 weeks"],
        },
    }
    types = dict.fromkeys(asked, "bigint")
    text = model_text(topic_query(topic_of(asked, types, {"per": "profile"})))
    filters = text.partition("\nwhere\n")[2]
    assert "and timestamp > {{ days_ago(30) }}" in filters
    one = {"lately": asked["lately"]}
    text = model_text(topic_query(topic_of(one, types, {"per": "profile"})))
    assert "    count(*) as lately\n" in text
    assert text.count("time_ago(2, 'week')") == 1


def mistakes_in(settings: Any, **columns: Any) -> list[tuple[str, str]]:
    """What is told of a topic with these columns, with the last of the keys there."""
    entries = [
        {"name": name, "data_type": data_type, "config": {"meta": {"trait": trait}}}
        for name, (data_type, trait) in columns.items()
    ]
    found = Mistakes()
    model = {
        "name": "traits_asked",
        "config": {"meta": {"traits": settings}},
        "columns": [{"name": "profile_id"}, *entries],
    }
    assert read_topic(model, CATALOGUE, found) is None
    return [(one.place[-1], one.message) for one in found.found]


def test_every_mistake_is_told_with_the_nearest_name() -> None:
    done = {"event": "thing_done"}
    assert mistakes_in(
        {"per": "profile"},
        a=("bigint", {"type": "event_countr", **done}),
        b=("bigint", {"type": "event_counter", "event": "Thing Don"}),
        c=("varchar", {"type": "first", "property": "wrd", **done}),
        d=(
            "bigint",
            {"type": "aggregation", "function": "sum", "property": "word", **done},
        ),
        e=("varchar", {"type": "event_counter", **done}),
        f=("", {"type": "unique_list", "property": "word", **done}),
        g=("bigint", {"type": "event_counter", "within": "3 dais", "wher": [], **done}),
        h=("bigint", {"type": "event_counter", "where": [{"trait": "cuntry"}], **done}),
        i=("varchar", {"type": "golden", "rule": "longst"}),
        j=("varchar", {"type": "golden", "rule": "source_priority"}),
        k=("bigint", {"type": "unique_list_count", "property": "profile_id", **done}),
        l=(
            "varchar",
            {
                "type": "most_frequent",
                "minimum_frequency": 0,
                "property": "word",
                **done,
            },
        ),
    ) == [
        ("type", "unknown type 'event_countr'; did you mean 'event_counter'?"),
        ("event", "unknown event 'Thing Don'; did you mean 'Thing Done'?"),
        ("property", "unknown property 'wrd'; did you mean 'word'?"),
        ("trait", "'word' is varchar; takes number"),
        ("data_type", "is varchar, but the definition gives bigint"),
        ("data_type", "is missing; it is varchar[]"),
        ("wher", "unknown key; did you mean 'where'?"),
        (
            "within",
            "'3 dais' is no length of time: a number and minutes, hours, days, weeks, "
            "as 30 days",
        ),
        ("trait", "unknown trait 'cuntry'; did you mean 'country'?"),
        ("rule", "unknown rule 'longst'; did you mean 'longest'?"),
        ("rule", "needs sources, the most trusted one first"),
        ("property", "is by what the rows are found"),
        ("minimum_frequency", "takes a number from 1 on"),
    ]
    assert mistakes_in({"per": "person"}) == [
        ("per", "unknown per 'person'; there are: account, profile")
    ]
    assert mistakes_in({"per": "profile"}) == [("columns", "have no trait")]
