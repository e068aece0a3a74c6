"""What each build cost: a fact for every node that it ran, appended to `raw/builds`."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from collector.datasets import BUILDS
from collector.errors import ObjectStorageError
from collector.landing import write_file
from collector.object_storage import RawPlace
from orchestration.dbt_runs import Status


@dataclass(frozen=True)
class NodeCost:
    """How long one node took; dbt's id of it begins with its kind."""

    unique_id: str
    status: Status
    seconds: float


def append_build(
    raw_dir: RawPlace,
    nodes: Iterable[NodeCost],
    *,
    target: str,
    started_at: datetime,
    on_warning: Callable[[str], None],
) -> None:
    """Append what the nodes of a build took; what was skipped took nothing.

    What a build cost is told, not needed: that it cannot be written is a warning.
    """
    build_id = uuid.uuid4().hex
    rows = [
        {
            "build_id": build_id,
            "started_at": started_at,
            "target": target,
            "node": node.unique_id,
            "kind": node.unique_id.split(".")[0],
            "name": node.unique_id.split(".")[2],
            "status": node.status,
            "seconds": node.seconds,
        }
        for node in nodes
        if node.status != "skipped"
    ]
    if not rows:
        return
    try:
        write_file(
            raw_dir,
            BUILDS,
            pa.Table.from_pylist(rows, schema=BUILDS.schema),
            partition={"dt": started_at.astimezone(UTC).date().isoformat()},
            name=build_id,
        )
    except (OSError, ObjectStorageError) as error:
        on_warning(f"What the build cost was not noted: {error}")
