"""Files that follow a sync: equal to it, and whole at every moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from activations.checks import check_account
from activations.connectors import Batch, Row
from activations.connectors.files import deliver
from activations.errors import AuthenticationError, DestinationRefused, EgressDenied
from tests.activations.bench import Bench, bench, email
from tests.activations.file_syncs import (
    KINDS,
    NOWHERE,
    OPTIONS,
    in_bucket,
    lines,
    local,
    objects,
    read,
)
from tests.object_storage import ObjectServer, refusal


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


def test_new_and_dropped_columns_rewrite_the_header(files: Bench) -> None:
    files.payload([{"email": email(n), "plan": "free"} for n in range(3)])
    files.run()
    files.payload([{"email": email(n), "city": "Oslo", "n": n} for n in range(2)])
    files.run()
    assert lines(files) == [
        {"email": email(0), "city": "Oslo", "n": "0"},
        {"email": email(1), "city": "Oslo", "n": "1"},
    ]


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
