"""Syncs to files: values stay what they are, in every format and rewrite."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from activations.connectors import Batch, Row
from activations.connectors.files import deliver
from activations.json_values import LongNumber, json_text
from tests.activations.bench import Bench, bench
from tests.activations.file_syncs import KINDS, NOWHERE, OPTIONS, lines, local, read

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["=1+1", "+1", "-1", "@x", "\t", "\r", "'=x", "''=x", "'", 'a"b', "a,b", "a\nb"]
)


@pytest.mark.parametrize("kind", KINDS)
def test_values_keep_what_they_are(tmp_path: Path, kind: str) -> None:
    options = {"format": kind}
    settings = {"location": str(tmp_path / "out")}
    work = bench(tmp_path, "files", settings, action="file", options=options)
    work.con.execute("set TimeZone = 'UTC'")
    work.con.execute("""
        create schema syncs;
        create table syncs.acct__people as
        select
            'é\n"' as email, 7 as n, true as yes, 12.50::decimal(8, 2) as amount,
            12345678901234567890.12::decimal(38, 2) as fortune,
            timestamptz '2026-01-02 03:04:05.678901' as seen, date '1999-12-31' as born,
            ['a', null] as tags, {'x': 1, 'y': 'z'} as doc, null::integer as nothing,
            map {'k': 1} as pairs, '{"z": 1}'::json as raw,
            [{'x': 12345678901234567890.12::decimal(38, 2)}] as deep
        union by name
        select 'other' as email
    """)
    assert work.run().succeeded.insert == 2, work.log()
    work.con.execute("update syncs.acct__people set n = 8 where email = 'other'")
    assert work.run().succeeded.update == 1, work.log()
    content = local(work)[f"acct__people.{kind}"]
    (row,) = (r for r in read(content, kind) if r["email"] != "other")
    if kind == "parquet":
        schema = pq.read_schema(pa.BufferReader(content))
        assert str(schema.field("amount").type) == "decimal128(8, 2)"
        assert row == {
            "email": 'é\n"',
            "n": 7,
            "yes": True,
            "amount": Decimal("12.50"),
            "fortune": Decimal("12345678901234567890.12"),
            "seen": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
            "born": date(1999, 12, 31),
            "tags": ["a", None],
            "doc": {"x": 1, "y": "z"},
            "nothing": None,
            "pairs": [("k", 1)],
            "raw": '{"z": 1}',
            "deep": [{"x": Decimal("12345678901234567890.12")}],
        }
        return
    assert content.count(b"12345678901234567890.12") == 2
    told: dict[str, Any] = {
        "email": 'é\n"',
        "n": 7,
        "yes": True,
        "amount": 12.5,
        "fortune": LongNumber("12345678901234567890.12"),
        "seen": "2026-01-02T03:04:05.678901Z",
        "born": "1999-12-31",
        "tags": ["a", None],
        "doc": {"x": 1, "y": "z"},
        "nothing": None,
        "pairs": {"k": 1},
        "raw": {"z": 1},
        "deep": [{"x": LongNumber("12345678901234567890.12")}],
    }
    if kind == "csv":
        texts = {
            name: json_text(value) if not isinstance(value, str) else value
            for name, value in told.items()
        }
        told = texts | {"nothing": ""}
    assert row == told


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("type_", "values"),
    [
        ("timestamptz", ["2026-01-02 03:04:05+00", "2026-01-02 03:04:06.5+00"]),
        ("decimal(8, 2)", ["1.50", "2.00"]),
        ("bigint", ["9007199254740993", "-1"]),
    ],
)
def test_rows_are_found_by_keys_of_any_type(
    tmp_path: Path, kind: str, type_: str, values: list[str]
) -> None:
    options = {"format": kind}
    settings = {"location": str(tmp_path / "out")}
    work = bench(tmp_path, "files", settings, action="file", options=options)
    work.con.execute("set TimeZone = 'UTC'")
    work.con.execute("create schema syncs")
    for plan in ("free", "pro"):
        rows = ", ".join(f"(cast('{value}' as {type_}), '{plan}')" for value in values)
        query = f"from (values {rows}) as t (email, plan)"
        work.con.execute(f"create or replace table syncs.acct__people as {query}")
        assert work.run().succeeded.total == 2, work.log()
    content = local(work)[f"acct__people.{kind}"]
    assert [line["plan"] for line in read(content, kind)] == ["pro", "pro"]
    work.con.execute("delete from syncs.acct__people where true")
    assert work.run(allow_deletes=2).succeeded.delete == 2
    assert read(local(work)[f"acct__people.{kind}"], kind) == []


def test_a_semicolon_or_tab_may_stand_between_cells(tmp_path: Path) -> None:
    settings = {"location": str(tmp_path / "out")}
    for delimiter, mark in (("semicolon", b";"), ("tab", b"\t")):
        options = {"delimiter": delimiter, "name": delimiter}
        work = bench(tmp_path, "files", settings, action="file", options=options)
        work.configure(name=f"acct__{delimiter}")
        for plan in ("a;b\tc", "x"):
            work.people([1], plan=plan)
            assert work.run().succeeded.total == 1
        text = local(work)[f"{delimiter}.csv"]
        assert text == b"email" + mark + b"plan\r\np001@example.com" + mark + b"x\r\n"


def test_formulas_are_written_as_text_and_numbers_as_numbers(files: Bench) -> None:
    row = {
        "email": "+a@x",
        "a": "=HYPERLINK(1)",
        "b": "@x",
        "c": "-1",
        "d": -1.5,
        "e": True,
        "f": None,
        "g": ["x", "y"],
    }
    files.payload([row])
    files.run()
    # A second batch copies the line that it does not change.
    files.payload([row, row | {"email": "b@x"}])
    files.run()
    assert lines(files)[0] == {
        "email": "'+a@x",
        "a": "'=HYPERLINK(1)",
        "b": "'@x",
        "c": "'-1",
        "d": "-1.5",
        "e": "true",
        "f": "",
        "g": '["x", "y"]',
    }
    files.payload([row | {"email": "b@x"}])
    files.run()
    assert [line["email"] for line in lines(files)] == ["b@x"]


def test_escaping_can_be_switched_off(tmp_path: Path) -> None:
    work = bench(
        tmp_path,
        "files",
        {"location": str(tmp_path / "out")},
        action="file",
        options={"escape_formulas": False},
    )
    work.payload([{"email": "a@x", "phone": "+4712345678"}])
    work.run()
    assert lines(work)[0]["phone"] == "+4712345678"


@given(
    rounds=st.lists(
        st.dictionaries(TEXT.filter(bool), TEXT, max_size=5), min_size=1, max_size=4
    ),
    escape=st.booleans(),
)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_text_survives_any_number_of_rewrites(
    tmp_path_factory: pytest.TempPathFactory,
    rounds: list[dict[str, str]],
    escape: bool,
) -> None:
    """Quotes, line breaks, formulas, and what only looks escaped."""
    directory = tmp_path_factory.mktemp("out")
    options = OPTIONS | {"escape_formulas": escape}
    where = {"location": str(directory)} | NOWHERE
    if not escape:
        # Without escaping, text that looks escaped cannot be told from such text.
        rounds = [{k: v for k, v in r.items() if k[0] != "'"} for r in rounds]
    held: dict[str, str] = {}
    for wanted in rounds:
        rows: list[Row] = [
            Row("update" if key in held else "insert", key, "f", {"k": key, "v": value})
            for key, value in wanted.items()
        ]
        rows += [Row("delete", key, "f", None) for key in held if key not in wanted]
        batch = Batch(
            sync="s",
            key="k",
            columns=("k", "v"),
            rows=tuple(rows),
            action="file",
            options=options,
        )
        assert len(list(deliver(batch, where))) == len(rows)
        held = wanted
    with (directory / "s.csv").open(encoding="utf-8", newline="") as text:
        cells = [(line["k"], line["v"]) for line in csv.DictReader(text)]
    assert len(cells) == len(held)
    assert dict(cells) == {shown(k, escape): shown(v, escape) for k, v in held.items()}


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
@given(
    rounds=st.lists(
        st.dictionaries(
            TEXT.filter(bool),
            st.tuples(TEXT | st.none(), st.integers(-(2**63), 2**63 - 1) | st.none()),
            max_size=5,
        ),
        min_size=1,
        max_size=4,
    )
)
@example([{"\u2028": ("\x85", 2**63 - 1)}, {"\u2028": ("\u2029", None)}])
@settings(max_examples=6, deadline=None)
def test_any_values_survive_any_number_of_rewrites(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    rounds: list[dict[str, tuple[str | None, int | None]]],
) -> None:
    directory = tmp_path_factory.mktemp("out")
    held: dict[str, tuple[str | None, int | None]] = {}
    for wanted in rounds:
        rows: list[Row] = [
            Row("update", key, "f", {"k": key, "text": text, "n": number})
            for key, (text, number) in wanted.items()
        ]
        rows += [Row("delete", key, "f", None) for key in held if key not in wanted]
        batch = Batch(
            sync="s",
            key="k",
            columns=("k", "text", "n"),
            rows=tuple(rows),
            action="file",
            types={"k": "VARCHAR", "text": "VARCHAR", "n": "BIGINT"},
            options=OPTIONS | {"format": kind},
        )
        assert all(
            one.outcome == "succeeded"
            for one in deliver(batch, {"location": str(directory)} | NOWHERE)
        )
        held = wanted
    lines = read((directory / f"s.{kind}").read_bytes(), kind)
    assert {line["k"]: (line["text"], line["n"]) for line in lines} == held
    assert len(lines) == len(held)


def shown(text: str, escape: bool) -> str:
    """The cell for a text: one apostrophe more where it could be a formula."""
    risky = text.lstrip("'")[:1] in ("=", "+", "-", "@", "\t", "\r")
    return "'" + text if escape and text and risky else text
