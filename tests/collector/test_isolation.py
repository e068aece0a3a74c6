"""A line that ends the landing process costs only itself; all others land."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from collector.landing import land
from collector.segments import SEALED
from tests import strace
from tests.collector.acceptance import accepts
from tests.faults import event_line, stored_messages
from tests.raw import read_raw

LAND = """
import sys
from pathlib import Path
from collector.landing import land
land(Path(sys.argv[1]) / "log", Path(sys.argv[1]) / "raw")
"""
CRASHING_DUCKDB = """
import os
import duckdb
import zstandard

class Connection:
    def __init__(self, connection):
        self._connection = connection
    def __enter__(self):
        return self
    def __exit__(self, *_):
        self._connection.close()
    def sql(self, query, params):
        content = open(params[0], "rb").read()
        if params[1] == "zstd":
            content = zstandard.ZstdDecompressor().decompressobj().decompress(content)
        if b"poison" in content:
            os.abort()
        return self._connection.sql(query, params=params)

connect = duckdb.connect
duckdb.connect = lambda *values, **names: Connection(connect(*values, **names))
"""
"""What Python imports first, so that DuckDB ends its process at certain lines."""


def segment(directory: Path, name: str, messages: list[str]) -> Path:
    path = directory / "log" / "0" / f"{name}{SEALED}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(zstandard.compress(b"".join(map(event_line, messages))))
    return path


def landing_until_done(command: list[str], environ: dict[str, str]) -> list[int]:
    """Start landing again and again, as the server does; how each process ended."""
    ends: list[int] = []
    while not ends or (ends[-1] != 0 and len(ends) < 9):
        process = subprocess.run(
            command, env={**os.environ, **environ}, timeout=120, check=False
        )
        ends.append(process.returncode)
    return ends


@accepts("F34")
def test_a_line_that_ends_every_process_is_found_and_quarantined(
    tmp_path: Path,
) -> None:
    segment(tmp_path, "s0", ["before"])
    poisoned = segment(tmp_path, "s1", ["m1", "poison", "m2"])
    segment(tmp_path, "s2", ["after"])
    content = poisoned.read_bytes()
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(CRASHING_DUCKDB)
    ends = landing_until_done(
        [sys.executable, "-c", LAND, str(tmp_path)],
        {"PYTHONPATH": f"{tmp_path / 'site'}:{strace.ROOT}"},
    )
    assert ends == [-signal.SIGABRT, -signal.SIGABRT, 0]
    messages = ["after", "before", "m1", "m2"]
    assert stored_messages(tmp_path) == messages
    (row,) = read_raw(tmp_path / "raw", "quarantine")
    assert (row["code"], row["segment"], row["position"]) == ("loader_error", "s1", 1)
    assert row["payload"].encode() == event_line("poison")
    (kept,) = (tmp_path / "log" / "0").glob("s*")
    assert (kept.name, kept.read_bytes()) == (f"s1{SEALED}.damaged", content)


@pytest.mark.slow
def test_a_segment_that_nobody_can_even_open_is_put_aside(tmp_path: Path) -> None:
    strace.require()
    segment(tmp_path, "s0", ["before"])
    cursed = segment(tmp_path, "s1", ["cursed"])
    segment(tmp_path, "s2", ["after"])
    ends = landing_until_done(
        [
            *("strace", "-f", "-o", str(tmp_path / "trace")),
            *("-e", "trace=openat", "-P", str(cursed)),
            *("-e", "inject=openat:signal=KILL"),
            *(sys.executable, "-c", LAND, str(tmp_path)),
        ],
        {"PYTHONPATH": str(strace.ROOT)},
    )
    assert ends == [-signal.SIGKILL] * 4 + [0]
    assert stored_messages(tmp_path) == ["after", "before"]
    (row,) = read_raw(tmp_path / "raw", "quarantine")
    assert (row["code"], row["segment"]) == ("loader_error", "s1")
    (kept,) = (tmp_path / "log" / "0").glob("s*")
    assert kept.name in row["detail"]


def test_one_segment_that_fails_keeps_no_other_from_landing(tmp_path: Path) -> None:
    unreadable = segment(tmp_path, "s0", ["m0"])
    content = unreadable.read_bytes()
    unreadable.unlink()
    unreadable.mkdir()
    segment(tmp_path, "s1", ["m1"])
    try:
        land(tmp_path / "log", tmp_path / "raw")
    except OSError as error:
        problem = str(error)
    assert unreadable.name in problem
    assert stored_messages(tmp_path) == ["m1"]
    unreadable.rmdir()
    unreadable.write_bytes(content)
    land(tmp_path / "log", tmp_path / "raw")
    assert stored_messages(tmp_path) == ["m0", "m1"]
    assert not list((tmp_path / "log" / "0").glob("s*"))
