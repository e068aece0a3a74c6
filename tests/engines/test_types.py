"""Types, texts, times and lists: a macro gives the same on either engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest

from tests.engines.macros import Macro, macros

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NUMBERS = (
    *("0", "-0", "+5", "1.5", "2.5", "-2.5", ".5", "5.", "-.5", " 7 ", "\t7\n", "1e3"),
    *("1E3", "1e-3", "1.005", "0.1", "12345678.5", "1e16", "1e22", "1e400", "-1e400"),
    *("99999999999999999999", "9223372036854775807", "9223372036854775808", "1_000"),
    *("nan", "NaN", "inf", "-inf", "Infinity", "-infinity", "1d", "1f", "1L", "\uff12"),
    *("", " ", ".", "-", "e5", "1e", "--1", "1 2", "1,5", "true", "null", "_1"),
    *("12345678901234567890.12", "0.30000000000000004", "-9223372036854775808.4"),
)
BOOLEANS = (
    "true",
    "TRUE",
    "t",
    "T",
    "false",
    "f",
    "1",
    "0",
    "yes",
    "no",
    "y",
    "n",
    "on",
)
TIMES = (
    *("2026-11-22T10:11:12Z", "2026-11-22 10:11:12Z", "2026-11-22T10:11:12.123456Z"),
    *("2026-11-22T10:11:12.1234567+05:30", "2026-11-22T10:11:12-00:00"),
    *("2026-02-29T00:00:00Z", "2024-02-29T23:59:59.999999Z", "2026-11-22T10:11:60Z"),
    *("2026-11-22t10:11:12z", "2026-11-22T10:11:12", "2026-11-22T10:11Z", "2026-11-22"),
    *("1969-12-31T23:59:59.999999Z", "9999-12-31T23:59:59Z", "1583-01-01T00:00:00Z"),
    *("2026-13-01T00:00:00Z", "2026-11-22T25:00:00Z", "20261122T101112Z", "now", ""),
    *("2026-11-22T10:11:12.5+14:00", "2026-11-22T10:11:12 UTC", "1763806272"),
)
# The ends of years, where a week may belong to the other one.
DAYS = ("01-01", "01-02", "01-03", "01-04", "06-15", "12-28", "12-29", "12-31")
TEXTS = (
    *(
        "",
        "a",
        "A",
        "it's",
        'say "no"',
        "back\\slash",
        "\\n",
        "line\nbreak",
        "tab\t",
        "é",
    ),
    *("e\u0301", "日本", "👍", "%", "_", "$1", "a'b\\'c", "{{ x }}", "null"),
)

Expression = Callable[[dict[str, Macro]], str]
OnBoth = Callable[..., None]
PATTERNS = ("^[A-Z]{3}$", r"^\d+$", "a|b", "'", r"\\", "(?i)^a", "^[0-]*$", "é")


@pytest.fixture
def agree(spark: SparkSession) -> OnBoth:
    """A check: expressions of the column `value` are the same over these texts."""

    def check(texts: list[str], *expressions: Expression) -> None:
        found = [
            _on_duckdb(texts, _select(expressions, macros("duckdb"))),
            _on_spark(spark, texts, _select(expressions, macros("spark"))),
        ]
        differing = {
            text: values
            for text, *values in zip(texts, *found, strict=True)
            if values[0] != values[1]
        }
        assert not differing

    return check


def _select(expressions: Sequence[Expression], macro: dict[str, Macro]) -> str:
    columns = (
        f"{expression(macro)} as found_{number}"
        for number, expression in enumerate(expressions)
    )
    # Expressions of our own macros over texts of this file.
    return f"select {', '.join(columns)} from texts order by place"  # noqa: S608


def _on_duckdb(texts: list[str], query: str) -> list[list[str]]:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        table = pa.table({"place": range(len(texts)), "value": texts})
        connection.register("texts", table)
        return _told(connection.sql(query).to_arrow_table())


def _on_spark(spark: SparkSession, texts: list[str], query: str) -> list[list[str]]:
    rows = spark.createDataFrame(list(enumerate(texts)), "place int, value string")
    rows.createOrReplaceTempView("texts")
    return _told(spark.sql(query).toArrow())


def _told(table: pa.Table) -> list[list[str]]:
    return [[_text(value) for value in row.values()] for row in table.to_pylist()]


def _text(value: Any) -> str:
    """The value as text, whichever way an engine names the time zone."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return repr(value)


def test_numbers_and_truths_are_read_of_the_same_texts(agree: OnBoth) -> None:
    def read(macro: dict[str, Macro], data_type: str) -> str:
        return str(macro["try_cast"]("value", data_type))

    agree(
        [*BOOLEANS, *NUMBERS],
        *(
            partial(read, data_type=data_type)
            for data_type in (
                "bigint",
                "integer",
                "double",
                "decimal(12, 2)",
                "boolean",
            )
        ),
    )


def test_a_time_is_read_of_the_same_texts(agree: OnBoth) -> None:
    agree([*TIMES, *NUMBERS], lambda macro: macro["parsed_timestamp"]("value"))


def test_a_time_lies_in_the_same_calendar_windows(agree: OnBoth) -> None:
    def lies_in(macro: dict[str, Macro], window: str) -> str:
        return str(macro["calendar_window"](macro["parsed_timestamp"]("value"), window))

    agree(
        [f"{year}-{day}T23:59:59Z" for year in range(2019, 2032) for day in DAYS],
        *(
            partial(lies_in, window=window)
            for window in ("daily", "weekly", "monthly", "annually")
        ),
    )


def test_times_are_apart_and_move_by_the_same(agree: OnBoth) -> None:
    def between(macro: dict[str, Macro]) -> tuple[str, str]:
        start = macro["parsed_timestamp"]("'2026-01-31T00:00:00.000001Z'")
        return start, macro["parsed_timestamp"]("value")

    def moved(macro: dict[str, Macro]) -> str:
        start, time = between(macro)
        return str(macro["shifted"](time, start, time))

    def apart(macro: dict[str, Macro]) -> str:
        return str(macro["seconds_between"](*between(macro)))

    agree([time for time in TIMES if time.startswith("20")], moved, apart)


def test_a_literal_is_the_text_itself(spark: SparkSession) -> None:
    literals = [macros("spark")["string_literal"](text) for text in TEXTS]
    found = spark.sql(f"select array({', '.join(literals)}) as found").collect()
    assert found[0].found == list(TEXTS)


def test_patterns_match_the_same_texts(agree: OnBoth) -> None:
    def matches(macro: dict[str, Macro], pattern: str) -> str:
        return str(macro["matches_pattern"]("value", pattern))

    agree(
        [*TEXTS, *NUMBERS, "EUR", "eur", "EUR ", "00-0"],
        *(partial(matches, pattern=pattern) for pattern in PATTERNS),
    )


def test_texts_get_the_same_number(agree: OnBoth) -> None:
    agree([*TEXTS, *NUMBERS], lambda macro: macro["bigint_hash"]("value"))


def test_lists_hold_the_same(agree: OnBoth) -> None:
    texts = list(TEXTS)

    def item(macro: dict[str, Macro], place: int) -> str:
        return str(macro["list_item"](macro["text_list"](texts), place))

    agree(
        texts,
        lambda macro: macro["list_contains"](macro["text_list"](texts[::2]), "value"),
        lambda macro: macro["joined_texts"](
            macro["text_list"]([*texts, "'"]), separator="', "
        ),
        *(partial(item, place=place) for place in (1, len(texts), len(texts) + 1)),
        lambda macro: macro["list_length"](macro["text_list"](texts)),
        lambda macro: macro["list_length"](macro["text_list"]([])),
        lambda macro: macro["text_list"](None),
    )


def test_texts_are_collected_in_the_same_order(agree: OnBoth) -> None:
    def collected(macro: dict[str, Macro]) -> str:
        found = macro["collected_texts"]("nullif(value, '')")
        return f"(select {found} from texts)"  # noqa: S608 - our own macro

    agree([*TEXTS, *TEXTS], collected)
