"""Types, texts, times and lists: a macro gives the same on either engine."""

from __future__ import annotations

from collections.abc import Callable
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

OnBoth = Callable[[list[str], Callable[[dict[str, Macro]], str]], None]


@pytest.fixture
def agree(spark: SparkSession) -> OnBoth:
    """A check: an expression of the column `value` is the same over these texts."""

    def check(texts: list[str], expression: Callable[[dict[str, Macro]], str]) -> None:
        found = {
            "duckdb": _on_duckdb(texts, expression(macros("duckdb"))),
            "spark": _on_spark(spark, texts, expression(macros("spark"))),
        }
        differing = {
            text: values
            for text, *values in zip(texts, *found.values(), strict=True)
            if values[0] != values[1]
        }
        assert not differing

    return check


def _on_duckdb(texts: list[str], expression: str) -> list[str]:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        table = pa.table({"place": range(len(texts)), "value": texts})
        connection.register("texts", table)
        # An expression of our own macros over texts of this file.
        query = f"select {expression} from texts order by place"  # noqa: S608
        return _told(connection.sql(query).to_arrow_table())


def _on_spark(spark: SparkSession, texts: list[str], expression: str) -> list[str]:
    rows = spark.createDataFrame(list(enumerate(texts)), "place int, value string")
    rows.createOrReplaceTempView("texts")
    query = f"select {expression} as found from texts order by place"  # noqa: S608
    return _told(spark.sql(query).toArrow())


def _told(table: pa.Table) -> list[str]:
    return [_text(value) for value in table.column(0).to_pylist()]


def _text(value: Any) -> str:
    """The value as text, whichever way an engine names the time zone."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return repr(value)


@pytest.mark.parametrize("data_type", ["bigint", "integer", "double", "decimal(12, 2)"])
def test_a_number_is_read_of_the_same_texts(agree: OnBoth, data_type: str) -> None:
    agree(list(NUMBERS), lambda macro: macro["try_cast"]("value", data_type))


def test_a_truth_is_read_of_the_same_texts(agree: OnBoth) -> None:
    agree([*BOOLEANS, *NUMBERS], lambda macro: macro["try_cast"]("value", "boolean"))


def test_a_time_is_read_of_the_same_texts(agree: OnBoth) -> None:
    agree([*TIMES, *NUMBERS], lambda macro: macro["parsed_timestamp"]("value"))


@pytest.mark.parametrize("window", ["daily", "weekly", "monthly", "annually"])
def test_a_time_lies_in_the_same_calendar_window(agree: OnBoth, window: str) -> None:
    days = [f"{year}-{day}T23:59:59Z" for year in range(2019, 2032) for day in DAYS]
    agree(
        days,
        lambda macro: macro["calendar_window"](
            macro["parsed_timestamp"]("value"), window
        ),
    )


def test_times_are_apart_and_move_by_the_same(agree: OnBoth) -> None:
    def moved(macro: dict[str, Macro]) -> str:
        time = macro["parsed_timestamp"]("value")
        start = macro["parsed_timestamp"]("'2026-01-31T00:00:00.000001Z'")
        return str(macro["shifted"](time, start, time))

    def apart(macro: dict[str, Macro]) -> str:
        time = macro["parsed_timestamp"]("value")
        start = macro["parsed_timestamp"]("'2026-01-31T00:00:00.000001Z'")
        return str(macro["seconds_between"](start, time))

    times = [time for time in TIMES if time.startswith("20")]
    agree(times, moved)
    agree(times, apart)


def test_a_literal_is_the_text_itself(spark: SparkSession) -> None:
    for text in TEXTS:
        literal = macros("spark")["string_literal"](text)
        assert spark.sql(f"select {literal} as found").collect()[0].found == text


@pytest.mark.parametrize(
    "pattern", ["^[A-Z]{3}$", r"^\d+$", "a|b", "'", r"\\", "(?i)^a", "^[0-]*$", "é"]
)
def test_a_pattern_matches_the_same_texts(agree: OnBoth, pattern: str) -> None:
    texts = [*TEXTS, *NUMBERS, "EUR", "eur", "EUR ", "00-0"]
    agree(texts, lambda macro: macro["matches_pattern"]("value", pattern))


def test_texts_get_the_same_number(agree: OnBoth) -> None:
    agree([*TEXTS, *NUMBERS], lambda macro: macro["bigint_hash"]("value"))


def test_lists_hold_the_same(agree: OnBoth) -> None:
    texts = list(TEXTS)
    agree(
        texts,
        lambda macro: macro["list_contains"](macro["text_list"](texts[::2]), "value"),
    )
    agree(
        texts,
        lambda macro: macro["joined_texts"](
            macro["text_list"]([*texts, "'"]), separator="', "
        ),
    )

    def item(macro: dict[str, Macro], place: int) -> str:
        return str(macro["list_item"](macro["text_list"](texts), place))

    for place in (1, len(texts), len(texts) + 1):
        agree(texts[:1], partial(item, place=place))
    agree(texts[:1], lambda macro: macro["list_length"](macro["text_list"](texts)))
    agree(texts[:1], lambda macro: macro["list_length"](macro["text_list"]([])))
    agree(texts[:1], lambda macro: macro["text_list"](None))


def test_texts_are_collected_in_the_same_order(agree: OnBoth) -> None:
    def collected(macro: dict[str, Macro]) -> str:
        found = macro["collected_texts"]("nullif(value, '')")
        return f"(select {found} from texts)"  # noqa: S608 - our own macro

    agree([*TEXTS, *TEXTS], collected)
