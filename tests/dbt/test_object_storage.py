"""dbt reads raw datasets on object storage, or says that it cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from collector.datasets import EVENTS
from collector.raw import ensure_datasets, write_file
from collector.settings import CollectorSettings
from tests.dbt.conftest import DAY, Project, event_row
from tests.object_storage import ObjectServer, refusal

SELECTION = ("--select", "+stg_events")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    """Where `KITH_RAW_URL` points."""
    server = ObjectServer()
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    yield server
    server.stop()


def land_copy(segment: str) -> None:
    rows = [event_row(message_id=name, segment=segment) for name in ("a", segment)]
    table = pa.Table.from_pylist(rows, schema=EVENTS.schema)
    place = CollectorSettings().raw_place()
    write_file(place, EVENTS, table, partition={"dt": DAY}, name=segment)


def test_events_are_staged_once_and_an_outage_is_no_empty_dataset(
    server: ObjectServer, make_project: Callable[[], Project]
) -> None:
    project = make_project()
    with pytest.raises(AssertionError, match=r"names no file.+Mend KITH_RAW_URL"):
        project.dbt("run", *SELECTION)
    ensure_datasets(CollectorSettings().raw_place())
    land_copy("s1")
    land_copy("s2")
    project.dbt("run", *SELECTION)
    stored = "select message_id, segment from staging.stg_events order by all"
    assert project.query(stored) == [("a", "s1"), ("s1", "s1"), ("s2", "s2")]
    assert not (project.data_dir / "raw").exists()

    server.fault = refusal("403 Forbidden", "AccessDenied")
    with pytest.raises(AssertionError, match="access is denied"):
        project.dbt("run", "--full-refresh", *SELECTION)
    assert len(project.query(stored)) == 3, "the table is as it was"
