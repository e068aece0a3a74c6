"""The crowd of the demo's shop: as many events as asked, the same every time."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from orchestration.demo.crowd import Crowd, write_history, write_next_day
from tests.raw import read_raw

UNTIL = date(2026, 11, 1)
Row = dict[str, Any]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Crowd]:
    raw_dir = tmp_path_factory.mktemp("crowd")
    return raw_dir, write_history(raw_dir, events=5_000, until=UNTIL)


@pytest.fixture(scope="module")
def history(crowd: tuple[Path, Crowd]) -> list[Row]:
    return read_raw(crowd[0], "events")


@pytest.fixture(scope="module")
def next_day(crowd: tuple[Path, Crowd], tmp_path_factory: Any) -> list[Row]:
    raw_dir = tmp_path_factory.mktemp("next_day")
    write_next_day(raw_dir, crowd[1], events=500)
    return read_raw(raw_dir, "events")


def _values(rows: list[Row], column: str) -> set[Any]:
    return {row[column] for row in rows}


def test_there_are_as_many_messages_as_asked_and_some_come_twice(
    crowd: tuple[Path, Crowd], history: list[Row]
) -> None:
    assert len(_values(history, "message_id")) == 5_000
    assert 5_000 < len(history) == crowd[1].arrivals < 5_100


def test_the_same_arguments_give_the_same_events(
    history: list[Row], tmp_path: Path
) -> None:
    write_history(tmp_path, events=5_000, until=UNTIL)
    assert read_raw(tmp_path, "events") == history


def test_every_kind_of_call_is_there_and_its_json_is_as_the_collector_writes_it(
    history: list[Row],
) -> None:
    assert _values(history, "type") == {"track", "identify", "page", "group", "alias"}
    for row in history:
        for column in ("properties", "traits", "context"):
            text = row[column]
            assert text is None or orjson.dumps(orjson.loads(text)).decode() == text


def test_events_arrive_after_they_happened_and_on_their_day(
    history: list[Row],
) -> None:
    for row in history:
        assert row["timestamp"] < row["received_at"] < datetime(2026, 11, 1, tzinfo=UTC)
        assert row["segment"] == f"crowd-{row['received_at']:%Y%m%d}"


def test_the_next_day_brings_known_people_and_new_ones(
    history: list[Row], next_day: list[Row]
) -> None:
    assert len(_values(next_day, "message_id")) == 500
    assert not _values(next_day, "message_id") & _values(history, "message_id")
    assert _values(next_day, "segment") == {"crowd-20261101"}
    devices = _values(next_day, "anonymous_id")
    known = devices & _values(history, "anonymous_id")
    assert 0.3 < len(known) / len(devices) < 0.9
