"""Text is trimmed and lowered on Spark as on DuckDB, whatever its letters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import category

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.engines.macros import macros

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Engines know different ones of the newest letters, which Python does not know.
UNKNOWN = ("Cn", "Co", "Cs")


@pytest.mark.parametrize("macro", ["trimmed", "lowered"])
def test_both_engines_write_every_letter_the_same_way(
    spark: SparkSession, tmp_path: Path, macro: str
) -> None:
    """At the start of a word, inside and at the end: there it may look otherwise."""
    letters = [chr(i) for i in range(1, 0x110000) if category(chr(i)) not in UNKNOWN]
    texts = [f"{letter}A{letter}B{letter}" for letter in letters]
    pq.write_table(pa.table({"text": texts}), tmp_path / "texts.parquet")
    by_duckdb = macros("duckdb")[macro]("text")
    by_spark = macros("spark")[macro]("text")
    with duckdb.connect() as connection:
        files = connection.read_parquet(f"{tmp_path}/texts.parquet")
        expected = dict(files.project(f"text, {by_duckdb}").fetchall())
    rows = spark.read.parquet(str(tmp_path)).selectExpr("text", by_spark).collect()
    found = {text: made for text, made in rows}
    assert found.keys() == expected.keys()
    assert {text for text in texts if found[text] != expected[text]} == set()
