"""Landing to object storage: the same rows, the same promises, whatever it answers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from pydantic import ValidationError

from collector.datasets import DATASETS
from collector.errors import ObjectStorageError
from collector.isolation import TRIED
from collector.landing import land
from collector.object_storage import ObjectStorage, RawPlace, parquet_files, register
from collector.raw_url import check_url
from collector.scrub import scrub
from collector.segments import SEALED
from collector.settings import CollectorSettings
from collector.validate import Event
from tests.faults import eventually, tracks
from tests.object_storage import CREDENTIALS, Environ, ObjectServer, refusal
from tests.servers import running_collector, start_collector

DAY = 86_400_000_000
RECEIVED = 1_795_000_000_000_000
LAND = (
    "from pathlib import Path; from collector.landing import land; "
    "from collector.settings import CollectorSettings; "
    "settings = CollectorSettings(); land(settings.log_dir, settings.raw_place())"
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    """An empty bucket, which this process may use."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    server = ObjectServer()
    yield server
    server.fault = None
    server.stop()


def place_of(server: ObjectServer, **options: str) -> ObjectStorage:
    place = CollectorSettings(raw_url=server.url(**options)).raw_place()
    assert isinstance(place, ObjectStorage)
    return place


def segment(log_dir: Path, name: str, *messages: str) -> Path:
    """A segment of these events, the second one received a day after the first."""
    lines = b""
    for number, message in enumerate(messages):
        at = RECEIVED + number * DAY
        event = Event(
            dataset="events",
            message_id=message,
            type="track",
            timestamp=at,
            received_at=at,
            source_id="shop",
            flags=[],
        )
        lines += msgspec.json.encode(event) + b"\n"
    path = log_dir / "0" / f"{name}{SEALED}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(zstandard.ZstdCompressor(write_checksum=True).compress(lines))
    return path


def objects(place: ObjectStorage) -> dict[str, bytes]:
    """Everything that is there, by the names that files of a directory would have."""
    contents = {}
    for found in place.list(""):
        with place.filesystem.open_input_stream(found.path) as stream:
            contents[found.path.removeprefix(f"{place.path}/")] = stream.readall()
    return contents


def messages(place: ObjectStorage) -> list[str]:
    """The message id of every row of `events`, repeated ones included."""
    stored: list[str] = []
    for found in place.list("events"):
        with place.filesystem.open_input_file(found.path) as file:
            reader = pq.ParquetFile(file, page_checksum_verification=True)
            stored += reader.read(["message_id"])["message_id"].to_pylist()
    return sorted(stored)


def test_the_objects_are_those_files_that_a_directory_would_hold(
    server: ObjectServer, tmp_path: Path
) -> None:
    log_dir, directory = tmp_path / "log", tmp_path / "raw"
    place = place_of(server)
    for raw in (directory, place):
        path = segment(log_dir, "s1", "a", "b")
        report = land(log_dir, raw)
        assert (report.segments, report.rows["events"]) == (1, 2)
        assert not path.exists()
    files = {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*.parquet")
    }
    assert sum("s1.parquet" in name for name in files) == 2
    assert objects(place) == files
    names = [name.removeprefix(f"{place.url}/") for name in parquet_files(place, "")]
    assert names == sorted(files)


def test_landing_the_same_segment_again_changes_nothing(
    server: ObjectServer, tmp_path: Path
) -> None:
    place = place_of(server)
    segment(tmp_path, "s1", "a", "b")
    land(tmp_path, place)
    first = objects(place)
    segment(tmp_path, "s1", "a", "b")
    land(tmp_path, place)
    assert objects(place) == first


def test_killed_between_two_objects_it_lands_the_whole_segment_again(
    server: ObjectServer, tmp_path: Path
) -> None:
    place = place_of(server)
    land(tmp_path / "none", place)  # what every dataset needs is there
    path = segment(tmp_path / "log", "s1", "a", "b")
    kill_at_the_second_put(server, tmp_path)
    assert path.exists()
    assert not list(path.parent.glob(f"*{TRIED}")), "the segment is not suspected"
    assert "a" in messages(place)
    land(tmp_path / "log", place)
    assert messages(place) == ["a", "b"]
    assert not path.exists()


def kill_at_the_second_put(server: ObjectServer, data_dir: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LAND],
        env={**os.environ, **server.environ, "KITH_DATA_DIR": str(data_dir)},
    )
    puts = 0

    def count_and_kill(environ: Environ) -> None:
        nonlocal puts
        puts += environ["REQUEST_METHOD"] == "PUT"
        if puts == 2:
            process.kill()

    server.fault = count_and_kill
    assert process.wait(timeout=30) == -signal.SIGKILL
    server.fault = None


REFUSALS = {
    "access is denied": refusal("403 Forbidden", "AccessDenied"),
    "the access key is unknown": refusal("403 Forbidden", "InvalidAccessKeyId"),
    "it refuses for now": refusal("503 Slow Down", "SlowDown"),
}


@pytest.mark.parametrize("hint", REFUSALS)
def test_a_refusal_is_explained_and_keeps_the_segment(
    hint: str, server: ObjectServer, tmp_path: Path
) -> None:
    place = place_of(server)
    land(tmp_path, place)
    path = segment(tmp_path, "s1", "a")
    server.fault = REFUSALS[hint]
    with pytest.raises(ObjectStorageError, match=hint) as raised:
        land(tmp_path, place, begin=False)
    assert str(raised.value).startswith("s3://kith/cdp/raw: cannot write events/dt=")
    assert path.exists()
    server.fault = None
    land(tmp_path, place)
    assert messages(place) == ["a"]


def test_a_missing_bucket_is_named(server: ObjectServer, tmp_path: Path) -> None:
    path = segment(tmp_path, "s1", "a")
    place = place_of(server, bucket="kiht")
    with pytest.raises(ObjectStorageError, match="no such bucket: create it, or mend"):
        land(tmp_path, place)
    assert path.exists()
    with pytest.raises(ObjectStorageError, match="no such bucket: create it, or mend"):
        place.list("events")
    assert list(place_of(server).list("events")) == []


def test_only_what_is_found_again_counts_as_written(
    server: ObjectServer, tmp_path: Path
) -> None:
    """A storage that answers 200 to a PUT and keeps nothing."""
    place = place_of(server)
    land(tmp_path, place)
    path = segment(tmp_path, "s1", "a")
    server.fault = lambda environ: (
        ("200 OK", "") if environ["REQUEST_METHOD"] == "PUT" else None
    )
    with pytest.raises(ObjectStorageError, match="is not there after it was written"):
        land(tmp_path, place)
    assert path.exists()


def test_clients_notice_nothing_of_an_outage(
    server: ObjectServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    place = place_of(server)
    complaints: list[str] = []

    def is_told() -> bool:
        lines = capfd.readouterr().err.splitlines()
        complaints.extend(line for line in lines if "error" in line)
        return bool(complaints)

    sent: list[str] = []
    with running_collector(tmp_path / "data", environ=server.environ) as collector:

        def send(name: str) -> None:
            sent.extend(batch := [f"{name}-{number}" for number in range(20)])
            assert collector.post("/v1/batch", tracks(batch)).status == 200

        send("before")
        eventually(lambda: messages(place))
        server.stop()
        for number in range(4):
            send(f"during-{number}")
            time.sleep(0.35)  # longer than a segment: several have to wait
        eventually(is_told)
        server.start()
        eventually(lambda: len(messages(place)) == len(sent))
        send("after")
    assert messages(place) == sorted(sent)
    assert "it cannot be reached" in complaints[0]
    assert "the log keeps them" in complaints[0]
    assert "Traceback" not in "".join(complaints)


def hang(released: threading.Event) -> None:
    released.wait(60)


def test_a_collector_starts_and_stops_while_the_storage_hangs(
    server: ObjectServer, tmp_path: Path
) -> None:
    released = threading.Event()
    server.fault = lambda _: hang(released)
    collector = start_collector(tmp_path / "data", environ=server.environ)
    assert collector.post("/v1/batch", tracks(["a", "b"])).status == 200
    time.sleep(1)
    started = time.monotonic()
    collector.process.terminate()
    assert collector.process.wait(timeout=30) == 0
    assert time.monotonic() - started < 15
    released.set()
    server.fault = None
    place = place_of(server)
    land(tmp_path / "data" / "log", place)
    assert messages(place) == ["a", "b"]


def test_a_slow_storage_only_takes_longer(server: ObjectServer, tmp_path: Path) -> None:
    place = place_of(server)
    land(tmp_path, place)
    segment(tmp_path, "s1", "a")
    server.requests.clear()

    def be_slow(environ: Environ) -> None:
        if environ["REQUEST_METHOD"] == "HEAD":
            time.sleep(4)

    server.fault = be_slow
    land(tmp_path, place, begin=False)
    assert [method for method, _ in server.requests] == ["PUT", "HEAD"]
    server.fault = None
    assert messages(place) == ["a"]


def test_duckdb_reads_the_objects_by_their_urls(
    server: ObjectServer, tmp_path: Path
) -> None:
    place = place_of(server)
    for number in range(3):
        segment(tmp_path, f"s{number}", f"a{number}", f"b{number}")
    land(tmp_path, place)
    with duckdb.connect() as connection:
        register(connection, place)
        register(connection, place)
        by_day = (
            "select list(message_id order by message_id) "
            "from read_parquet(?, hive_partitioning = true) "
            "where dt > '2000-01-01' group by dt order by dt"
        )
        every = [f"{place.url}/events/**/*.parquet"]
        found = connection.execute(by_day, every).fetchall()
        assert found == [(["a0", "a1", "a2"],), (["b0", "b1", "b2"],)]
        count = "select count(*) from glob(?)"
        none = [f"{place.url}/none/**/*.parquet"]
        assert connection.execute(count, none).fetchone() == (0,)
        one = [f"{place.url}/events/dt=2026-11-18/s1.parquet"]
        assert connection.execute(by_day, one).fetchall() == [(["a1"],)]
        server.fault = refusal("403 Forbidden", "AccessDenied")
        for query, files in ((by_day, every), (count, none), (by_day, one)):
            with pytest.raises(duckdb.Error, match="access is denied"):
                connection.execute(query, files)


def test_a_scrub_finds_what_the_storage_lost(
    server: ObjectServer, tmp_path: Path
) -> None:
    place = place_of(server)
    segment(tmp_path, "s1", "a", "b")
    land(tmp_path, place)
    report = scrub(tmp_path, place)
    # One empty file for each dataset, and one for each of two days.
    files = len(DATASETS) + 2
    assert (report.files, report.rows, report.findings) == (files, 2, [])
    (name,) = (name for name in objects(place) if "dt=2026-11-18" in name)
    content = bytearray(objects(place)[name])
    content[100] ^= 1
    place.put(name, pa.py_buffer(bytes(content)))
    assert [finding.file for finding in scrub(tmp_path, place).findings] == [name]
    server.fault = refusal("403 Forbidden", "AccessDenied")
    with pytest.raises(ObjectStorageError, match="access is denied"):
        scrub(tmp_path, place)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("s3:///prefix", "names no bucket"),
        ("s3://key:secret@bucket/prefix", "credentials do not belong"),
        ("s3://bucket?regoin=x", "unknown options: regoin; s3:// knows endpoint_over"),
        ("file://host/raw", "its/whole/path"),
        ("raw", "'raw' is no scheme"),
        ("hdfs://host/raw", "'hdfs' is no scheme"),
    ],
)
def test_a_wrong_url_is_refused_before_anything_starts(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        check_url(url)
    with pytest.raises(ValidationError, match="raw_url"):
        CollectorSettings(raw_url=url)


def test_a_url_may_name_a_directory(tmp_path: Path) -> None:
    places: list[RawPlace] = [
        CollectorSettings(raw_url=f"file://{tmp_path}/raw").raw_place(),
        CollectorSettings(raw_url="", data_dir=tmp_path).raw_place(),
    ]
    assert places == [tmp_path / "raw"] * 2
