"""The JSON macros give the same on Spark as on DuckDB, character for character.

The documents are written by the collector's own way from a line of its log to text, and
read by both engines from one file, so that nothing is computed ahead of time.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from collector.lines import read_lines
from tests.engines.macros import Macro, macros

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DUCKDB, SPARK = macros("duckdb"), macros("spark")
Call = tuple[Any, ...]
"""A macro's name and what it is given."""

KEYS = [
    "a",
    "b",
    "a.b",
    "c d",
    "$",
    "?",
    "'",
    "a.b'?",
    "a[0]",
    "c\\d",
    "ü",
    "😀",
    "\ue000",
]
"""Keys that stand in paths; in documents there are others too."""

PATHS: list[str | list[str]] = [
    *([key] for key in KEYS),
    "a.b",
    "b.a",
    "a.a.a",
    ["a.b'?", "a"],
    ["a", "a.b'?"],
    ["\ue000", "😀"],
]

texts = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.sampled_from(
        ["", "1", "-1.5E7", "null", "true", '{"a":1}', "[1]", '"', "\\uD83D"]
    ),
    st.sampled_from(
        ["\ue000", "\ue0001.5", '"\ue0001.5"', "😀", "\0\x1f\x7f\u2028", "/"]
    ),
    st.integers(min_value=2**63).map(str),
)
numbers = st.one_of(
    st.integers(min_value=-(2**63), max_value=2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(-(10**9), 10**9, places=4).map(float),
    st.sampled_from([0, 0.0, -0.0, 1.0, 1e7, 12345678.5, 0.0001, 1e16, 1e22, 5e-324]),
)
keys = st.one_of(
    st.sampled_from(KEYS),
    st.text(st.characters(codec="utf-8", exclude_characters="\0-"), max_size=4).filter(
        lambda key: not key.isdecimal()
    ),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), texts, numbers),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=10,
)
documents = st.dictionaries(keys, values, max_size=6)
step = st.sampled_from([*KEYS, "a[]", "b[]", "a[][]", "[]", "", "a/b", "~"])
paths = st.lists(st.lists(step, min_size=1, max_size=3).map(".".join), max_size=3)
"""Without numbers and `-`, which DuckDB takes for places in an array too."""


def generated(strategy: st.SearchStrategy[Any], count: int) -> list[Any]:
    """So many values of a strategy: asking Spark for each alone takes too long."""
    found: list[Any] = []

    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: Any) -> None:
        found.append(value)

    collect()
    return found


def written(documents: list[Any]) -> list[str]:
    """The documents as landing writes them."""
    lines = [
        msgspec.json.encode({"dataset": "events", "properties": document}) + b"\n"
        for document in documents
    ]
    return [
        text
        for table in read_lines(lines, 0)
        for text in table["properties"].to_pylist()
    ]


class Engines:
    """Both engines with the same relations to ask."""

    def __init__(self, spark: SparkSession, directory: Path) -> None:
        self._spark = spark
        self._duckdb = duckdb.connect()
        self._directory = directory

    def load(self, name: str, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
        file = str(self._directory / f"{name}.parquet")
        pq.write_table(pa.Table.from_pylist(rows, schema), file)
        self._duckdb.execute(f"create or replace table {name} as from '{file}'")
        self._spark.read.parquet(file).createOrReplaceTempView(name)

    def compare(self, query: str, *calls: Call) -> int:
        """Hold the rows of a query on Spark against DuckDB's; how many they are.

        `{columns}` stands for what all of the macros give, `{0}` for the first of them.
        """
        expected = self._duckdb.execute(_filled(query, calls, DUCKDB)).fetchall()
        found = map(tuple, self._spark.sql(_filled(query, calls, SPARK)).collect())
        pairs = zip(sorted(found, key=repr), sorted(expected, key=repr), strict=True)
        differing = [
            (expected_row[0], place, value, other)
            for row, expected_row in pairs
            for place, (value, other) in enumerate(zip(row, expected_row, strict=True))
            if value != other
        ]
        assert not differing
        return len(expected)


def _filled(query: str, calls: tuple[Call, ...], macro: dict[str, Macro]) -> str:
    expressions = [macro[name](*arguments) for name, *arguments in calls]
    columns = (f"{text} as column_{place}" for place, text in enumerate(expressions))
    return query.format(*expressions, columns=", ".join(columns))


@pytest.fixture(scope="module")
def engines(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Engines:
    engines = Engines(spark, tmp_path_factory.mktemp("json"))
    examples = generated(st.tuples(documents, paths), 500)
    rows = [
        {"id": number, "document": document, "paths": without}
        for number, (document, (_, without)) in enumerate(
            zip(written([document for document, _ in examples]), examples, strict=True)
        )
    ]
    rows += [
        {"id": -1, "document": None, "paths": ["a"]},
        {"id": -2, "document": "{}", "paths": None},
        {"id": -3, "document": '{"a":[null,{"b":1}]}', "paths": ["a[].b"]},
        {"id": -4, "document": '{"a":[null,null]}', "paths": ["a[].b"]},
    ]
    engines.load(
        "documents",
        rows,
        pa.schema(
            {"id": pa.int64(), "document": pa.string(), "paths": pa.list_(pa.string())}
        ),
    )
    return engines


def test_values_by_path_are_the_same(engines: Engines) -> None:
    engines.compare(
        "select id, {columns} from documents",
        *(("json_text", "document", path) for path in PATHS),
        *(("json_type_of", "document", path) for path in PATHS),
        ("json_texts", "document", ["a", [], ["b", "a"]]),
    )


def test_members_and_elements_are_the_same(engines: Engines) -> None:
    found = engines.compare(
        """
        select id, outer_value.key as outer_key, found.key, found.value, found.type
        from documents
        cross join lateral {0} as outer_value
        cross join lateral {1} as found
        where outer_value.type in ('object', 'array')
        """,
        ("json_each", "documents.document"),
        ("json_each", "outer_value.value"),
    )
    assert found > 100


def test_places_are_the_same(engines: Engines) -> None:
    found = engines.compare(
        """
        select id, place.path, place.type, place.value
        from documents
        cross join lateral {0} as place
        """,
        ("json_places", "documents.document"),
    )
    assert found > 1000


def test_members_are_renamed_and_left_out_alike(engines: Engines) -> None:
    engines.compare(
        "select id, {columns} from documents",
        ("json_renamed", "document", {"a": "b"}),
        ("json_renamed", "document", {"a": "?", "b": "c d", "nothing": "a.b"}),
        ("json_renamed", "document", {"\ue000": "😀'"}),
        ("json_without_keys", "document", ["a", "😀", "nothing"]),
    )


def test_paths_are_left_out_alike(engines: Engines) -> None:
    engines.compare(
        "select id, {columns} from documents", ("json_without", "document", "paths")
    )


EXTERNAL_IDS = [
    {"externalIds": [{"type": "phone", "id": 12345678.5}, {"type": "phone", "id": 1}]},
    {"externalIds": ["{}", 5, [], {"type": "phone", "id": None}, {"type": "phone"}]},
    {"externalIds": [{"type": "mail", "id": "x"}, {"id": "7😀", "type": "phone"}]},
    {"externalIds": [{"type": "phone", "id": {"a": "😀", "b": 1e8}}]},
    {"externalIds": {"type": "phone", "id": 1}},
    {"externalIds": '[{"type":"phone","id":1}]'},
    {"externalIds": [{"type": "phone", "id": '[{"type":"phone","id":1}]'}]},
    {"externalIds": []},
    {"other": 1},
]


def test_elements_are_found_alike(engines: Engines) -> None:
    rows = [{"context": text} for text in written(EXTERNAL_IDS)]
    engines.load("contexts", rows, pa.schema({"context": pa.string()}))
    engines.compare(
        "select context, {columns} from contexts",
        ("json_element_text", "context", "externalIds", {"type": "phone"}, "id"),
    )


NO_OBJECTS = [
    "",
    "null",
    "3",
    '"s"',
    "[]",
    "[{}]",
    "{",
    '{"a":1',
    '{"a":01}',
    "{'a':1}",
]
FOLLOWED = [
    "{} {}",
    "{} x",
    "{}]",
    "{}}",
    "{},{}",
    "{}] [{}",
    '{},"a":{}',
    '{},"a":{}} {',
]


def test_objects_are_told_from_what_is_none(engines: Engines) -> None:
    objects = ["{}", ' {"a" : [1] } ', '{"a":"}]"}', '{"a":{"a":{}}}']
    rows = [{"payload": text} for text in [*NO_OBJECTS, *FOLLOWED, *objects, None]]
    engines.load("payloads", rows, pa.schema({"payload": pa.string()}))
    engines.compare(
        "select payload, {columns} from payloads", ("valid_json_object", "payload")
    )


def test_paths_below_a_column_are_the_same(engines: Engines) -> None:
    engines.compare(
        "select id, {columns} from documents", ("paths_below", "paths", "'a'")
    )
