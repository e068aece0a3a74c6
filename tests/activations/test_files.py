"""Files that follow a sync: equal to it, and whole at every moment."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from activations.checks import check_account
from activations.connectors import Batch, Row
from activations.connectors.files import deliver
from activations.errors import (
    AuthenticationError,
    DestinationRefused,
    EgressDenied,
)
from activations.files.places import open_place
from activations.json_values import LongNumber, json_text
from tests.activations.bench import Bench, bench, email
from tests.object_storage import BUCKET, CREDENTIALS, ObjectServer, refusal

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["=1+1", "+1", "-1", "@x", "\t", "\r", "'=x", "''=x", "'", 'a"b', "a,b", "a\nb"]
)
OPTIONS = {
    "format": "csv",
    "name": None,
    "delimiter": "comma",
    "escape_formulas": True,
}
NOWHERE = dict.fromkeys(
    ("endpoint", "region", "access_key_id", "secret_access_key", "ca_file")
)


@pytest.fixture
def files(tmp_path: Path) -> Bench:
    """A mirror of people in a CSV file."""
    return bench(tmp_path, "files", {"location": str(tmp_path / "out")}, action="file")


@pytest.fixture(scope="module")
def bucket() -> Iterator[ObjectServer]:
    server = ObjectServer()
    yield server
    server.stop()


def in_bucket(tmp_path: Path, server: ObjectServer, **options: Any) -> Bench:
    """A mirror of people in a bucket."""
    settings = {
        "location": f"s3://{BUCKET}/lists/ours",
        "endpoint": f"http://127.0.0.1:{server.port}",
        "access_key_id": "{{ env_var('KEY') }}",
        "secret_access_key": "{{ env_var('SECRET') }}",
    }
    environ = {"KEY": CREDENTIALS["AWS_ACCESS_KEY_ID"], "SECRET": "test"}
    action = options.pop("action", "file")
    return bench(
        tmp_path, "files", settings, action=action, options=options, environ=environ
    )


def objects(work: Bench) -> dict[str, bytes]:
    """What the bucket holds of the sync, by name."""
    with open_place(work.sync.account.settings, private_network=True) as place:
        found = {name: place.old(name) for name in place.names()}
        return {name: path.read_bytes() for name, path in found.items() if path}


def read(content: bytes, kind: str) -> list[dict[str, Any]]:
    """The rows of a file."""
    if kind == "parquet":
        rows: list[dict[str, Any]] = pq.read_table(pa.BufferReader(content)).to_pylist()
        return rows
    if kind == "jsonl":
        return [json.loads(line) for line in content.decode().splitlines()]
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def lines(work: Bench) -> list[dict[str, str]]:
    """The CSV file's lines, by column."""
    return read(local(work)["acct__people.csv"], "csv")


def local(work: Bench) -> dict[str, bytes]:
    """What the directory holds, by name."""
    directory = Path(work.sync.account.settings["location"])
    return {path.name: path.read_bytes() for path in directory.iterdir()}


KINDS = ("csv", "jsonl", "parquet")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["directory", "bucket"])
def test_the_file_follows_the_payload(
    tmp_path: Path, bucket: ObjectServer, where: str, kind: str
) -> None:
    held: Callable[[Bench], dict[str, bytes]] = objects
    if where == "bucket":
        work = in_bucket(tmp_path, bucket, format=kind, name=f"list.{kind}")
        name = f"list.{kind}.{kind}"
    else:
        settings = {"location": str(tmp_path / "out")}
        options = {"format": kind}
        work = bench(tmp_path, "files", settings, action="file", options=options)
        held, name = local, f"acct__people.{kind}"
    work.people(range(4))
    assert work.run().succeeded.insert == 4, work.log()
    work.people([1, 3, 5], plan="pro")
    run = work.run()
    assert (run.succeeded.update, run.succeeded.insert) == (2, 1)
    assert run.succeeded.delete == 2
    there = held(work)
    assert {line["email"]: line["plan"] for line in read(there[name], kind)} == {
        email(1): "pro",
        email(3): "pro",
        email(5): "pro",
    }
    assert work.run().planned.total == 0
    assert set(held(work)) & {name} == {name}
    if where == "directory":
        assert list(there) == [name]


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


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_record_changes_only_its_fields(tmp_path: Path, kind: str) -> None:
    """What a sync sets when a row leaves it."""
    settings = {"location": str(tmp_path)} | NOWHERE

    def send(*rows: Row) -> dict[str, str]:
        batch = Batch(
            sync="s",
            key="k",
            columns=("k", "v", "vip"),
            rows=rows,
            action="file",
            types={"k": "VARCHAR", "v": "VARCHAR", "vip": "BOOLEAN"},
            options=OPTIONS | {"format": kind},
        )
        return {one.row.key: one.outcome for one in deliver(batch, settings)}

    whole = {"k": "a", "v": "kept", "vip": True}
    assert send(Row("insert", "a", "f", whole)) == {"a": "succeeded"}
    half = [Row("update", key, "f", {"k": key, "vip": False}) for key in "ab"]
    assert send(*half) == {"a": "succeeded", "b": "rejected"}
    (line,) = read((tmp_path / f"s.{kind}").read_bytes(), kind)
    vip = "false" if kind == "csv" else False
    assert line == {"k": "a", "v": "kept", "vip": vip}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["directory", "bucket"])
def test_changes_are_files_of_their_own(
    tmp_path: Path, bucket: ObjectServer, where: str, kind: str
) -> None:
    held: Callable[[Bench], dict[str, bytes]] = objects
    name = f"of-{where}-{kind}"
    if where == "bucket":
        work = in_bucket(tmp_path, bucket, action="changes", format=kind, name=name)
    else:
        settings = {"location": str(tmp_path / "out")}
        options = {"format": kind, "name": name}
        work = bench(tmp_path, "files", settings, action="changes", options=options)
        held = local
    work.people([1, 2])
    assert work.run().succeeded.insert == 2
    work.people([2, 3], plan="pro")
    assert work.run().succeeded.total == 3
    (first, second) = sorted(n for n in held(work) if n.startswith(name))
    empty = "" if kind == "csv" else None
    told = [
        {
            (row["_operation"], row["email"], row["plan"])
            for row in read(held(work)[file], kind)
        }
        for file in (first, second)
    ]
    once = {("insert", email(1), "free"), ("insert", email(2), "free")}
    then = {
        ("update", email(2), "pro"),
        ("insert", email(3), "pro"),
        ("delete", email(1), empty),
    }
    assert told in ([once, then], [then, once])
    # A run that was killed before it could note the file writes it no second time.
    for file in (work.data_dir / "raw").rglob("*.parquet"):
        file.unlink()
    work.people([1, 2])
    assert work.run().succeeded.insert == 2
    assert len([n for n in held(work) if n.startswith(name)]) == 2


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


def test_new_and_dropped_columns_rewrite_the_header(files: Bench) -> None:
    files.payload([{"email": email(n), "plan": "free"} for n in range(3)])
    files.run()
    files.payload([{"email": email(n), "city": "Oslo", "n": n} for n in range(2)])
    files.run()
    assert lines(files) == [
        {"email": email(0), "city": "Oslo", "n": "0"},
        {"email": email(1), "city": "Oslo", "n": "1"},
    ]


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


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"name,age\nAda,36\n", "has no column 'email'"),
        (b"email,plan\n\xff\xfe,x\n", "cannot be read as CSV"),
    ],
)
def test_a_file_that_is_not_the_syncs_is_left_alone(
    files: Bench, content: bytes, expected: str
) -> None:
    directory = Path(files.sync.account.settings["location"])
    directory.mkdir()
    file = directory / "acct__people.csv"
    file.write_bytes(content)
    files.people([1])
    run = files.run()
    assert run.stopped is not None
    assert expected in run.stopped
    assert file.read_bytes() == content
    assert files.log() == []


def test_a_full_or_closed_directory_fails_the_rows(files: Bench) -> None:
    Path(files.sync.account.settings["location"]).write_text("a file", "utf-8")
    files.people([1, 2])
    run = files.run()
    assert run.failed.insert == 2
    assert run.stopped is not None
    assert files.plan().planned == 2


def test_a_crash_before_the_rename_leaves_the_old_file(
    files: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.people([1])
    files.run()

    def crash(self: Path, target: Any) -> Any:
        raise OSError("the disk is gone")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", crash)
        files.people([1, 2])
        assert files.run().failed.insert == 1
    assert [line["email"] for line in lines(files)] == [email(1)]
    assert files.run().succeeded.insert == 1
    assert [line["email"] for line in lines(files)] == [email(1), email(2)]


@pytest.mark.parametrize("kind", KINDS)
def test_another_file_in_the_way_is_left_alone(tmp_path: Path, kind: str) -> None:
    settings = {"location": str(tmp_path / "out")}
    options = {"format": kind}
    work = bench(tmp_path, "files", settings, action="file", options=options)
    file = tmp_path / "out" / f"acct__people.{kind}"
    file.parent.mkdir()
    others = {"csv": b"name\nAda\n", "jsonl": b'{"name": "Ada"}\n', "parquet": b""}
    pq.write_table(pa.table({"name": ["Ada"]}), tmp_path / "other.parquet")
    others["parquet"] = (tmp_path / "other.parquet").read_bytes()
    for content in (others[kind], b"\xff\xfe\x00 neither"):
        file.write_bytes(content)
        work.people([1])
        run = work.run()
        assert run.stopped is not None
        assert f"acct__people.{kind}" in run.stopped
        assert "Move it away" in run.stopped
        assert file.read_bytes() == content
        assert work.log() == []
    assert list(local(work)) == [file.name]


def test_what_s3_refuses_stops_the_run(tmp_path: Path, bucket: ObjectServer) -> None:
    work = in_bucket(tmp_path, bucket, name="refused")
    work.people([1])
    bucket.fault = refusal("403 Forbidden", "AccessDenied")
    try:
        run = work.run()
    finally:
        bucket.fault = None
    assert run.stopped is not None
    assert "does not accept the key" in run.stopped
    batch = Batch("s", "k", ("k",), (), action="file", options=OPTIONS)
    given = dict(work.sync.account.settings) | {"location": "s3://nobodys"}
    with pytest.raises(DestinationRefused, match="no such bucket"):
        list(deliver(replace(batch, private_network=True), given))
    for endpoint in (given["endpoint"], "https://169.254.169.254", "https://10.0.0.1"):
        with pytest.raises(EgressDenied):
            list(deliver(batch, given | {"endpoint": endpoint}))
    assert "refused.csv" not in objects(work)
    assert work.run().succeeded.insert == 1


def test_a_name_cannot_leave_the_place(tmp_path: Path) -> None:
    for name in ("../x", "a/b", ".hidden", "x\n"):
        options = {"name": name}
        settings = {"location": str(tmp_path / "out")}
        work = bench(tmp_path, "files", settings, action="file", options=options)
        work.people([1])
        run = work.run()
        assert run.stopped is not None
        assert "is no name of a file" in run.stopped


def test_an_account_can_be_checked(tmp_path: Path, bucket: ObjectServer) -> None:
    account = in_bucket(tmp_path, bucket).sync.account
    assert check_account(account)
    bucket.fault = refusal("403 Forbidden", "AccessDenied")
    try:
        with pytest.raises(AuthenticationError):
            check_account(account)
    finally:
        bucket.fault = None
    out = tmp_path / "out"
    settings = {"location": str(out / "deep")}
    account = bench(tmp_path, "files", settings, action="file").sync.account
    assert check_account(account)
    assert not out.exists()
    out.write_text("a file", "utf-8")
    with pytest.raises(DestinationRefused, match="no directory"):
        check_account(account)
