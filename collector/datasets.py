"""The raw datasets: their Arrow schemas and how their directories are laid out.

A raw dataset is a directory of immutable Parquet files under `<data>/raw/<dataset>/`,
partitioned Hive-style. These schemas are the contract between everything that appends
facts (collector, deliveries) and the dbt sources that read them. All timestamps are
UTC microseconds; `properties`, `traits`, `context`, `integrations`, `extra` and
`payload` are canonical JSON text.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Dataset:
    """A raw dataset: its name, the columns of its files, and its partition columns.

    Partition columns are the directories (`dt=2026-11-22`), in order; they are not
    stored inside the files unless they also stand in `schema`.
    """

    name: str
    schema: pa.Schema
    partitions: tuple[str, ...]

    @property
    def written_at(self) -> str:
        """The column that says when a fact came in; none of its rows is without it."""
        times = [
            field.name
            for field in self.schema
            if field.type == TIMESTAMP and not field.nullable
        ]
        return "received_at" if "received_at" in times else times[0]


EVENTS = Dataset(
    name="events",
    partitions=("dt",),
    schema=pa.schema(
        [
            pa.field("message_id", pa.string(), nullable=False),
            pa.field("type", pa.string(), nullable=False),
            pa.field("event", pa.string()),
            pa.field("name", pa.string()),
            pa.field("category", pa.string()),
            pa.field("user_id", pa.string()),
            pa.field("anonymous_id", pa.string()),
            pa.field("previous_id", pa.string()),
            pa.field("group_id", pa.string()),
            pa.field("timestamp", TIMESTAMP, nullable=False),
            pa.field("original_timestamp", TIMESTAMP),
            pa.field("sent_at", TIMESTAMP),
            pa.field("received_at", TIMESTAMP, nullable=False),
            pa.field("source_id", pa.string(), nullable=False),
            pa.field("properties", pa.string()),
            pa.field("traits", pa.string()),
            pa.field("context", pa.string()),
            pa.field("integrations", pa.string()),
            pa.field("extra", pa.string()),
            pa.field("ip", pa.string()),
            pa.field("user_agent", pa.string()),
            pa.field("library_name", pa.string()),
            pa.field("library_version", pa.string()),
            pa.field("flags", pa.list_(pa.string()), nullable=False),
            pa.field("segment", pa.string(), nullable=False),
            pa.field("position", pa.int64(), nullable=False),
        ]
    ),
)

QUARANTINE = Dataset(
    name="quarantine",
    partitions=("dt",),
    schema=pa.schema(
        [
            pa.field("received_at", TIMESTAMP, nullable=False),
            pa.field("source_id", pa.string(), nullable=False),
            pa.field("request_id", pa.string(), nullable=False),
            pa.field("code", pa.string(), nullable=False),
            pa.field("detail", pa.string(), nullable=False),
            pa.field("path", pa.string(), nullable=False),
            pa.field("payload", pa.string(), nullable=False),
            pa.field("payload_sha256", pa.string(), nullable=False),
            pa.field("replayable", pa.bool_(), nullable=False),
            pa.field("segment", pa.string(), nullable=False),
            pa.field("position", pa.int64(), nullable=False),
        ]
    ),
)

SYNC_LOG = Dataset(
    name="sync_log",
    partitions=("sync", "dt"),
    schema=pa.schema(
        [
            pa.field("sync", pa.string(), nullable=False),
            pa.field("run_id", pa.string(), nullable=False),
            pa.field("at", TIMESTAMP, nullable=False),
            pa.field("key", pa.string(), nullable=False),
            pa.field("operation", pa.string(), nullable=False),
            pa.field("outcome", pa.string(), nullable=False),
            pa.field("fingerprint", pa.string()),
            pa.field("destination", pa.string(), nullable=False),
            pa.field("action", pa.string(), nullable=False),
            pa.field("code", pa.string()),
            pa.field("message", pa.string()),
            pa.field("destination_ref", pa.string()),
            pa.field("attempts", pa.int32(), nullable=False),
            pa.field("request_ms", pa.float64()),
        ]
    ),
)

QUARANTINE_RELEASES = Dataset(
    name="quarantine_releases",
    partitions=("dt",),
    schema=pa.schema(
        [
            pa.field("release_id", pa.string(), nullable=False),
            pa.field("released_at", TIMESTAMP, nullable=False),
            pa.field("released_by", pa.string(), nullable=False),
            pa.field("reason", pa.string(), nullable=False),
            # The rule: what is null matches everything.
            pa.field("code", pa.string()),
            pa.field("event", pa.string()),
            pa.field("source_id", pa.string()),
            pa.field("since", TIMESTAMP),
            pa.field("ids", pa.list_(pa.string())),
        ]
    ),
)

IDENTITY_RULES = Dataset(
    name="identity_rules",
    partitions=("dt",),
    schema=pa.schema(
        [
            pa.field("rule_id", pa.string(), nullable=False),
            # exclude keeps the two apart, include joins them, withdraw ends either.
            pa.field("action", pa.string(), nullable=False),
            pa.field("left_type", pa.string(), nullable=False),
            pa.field("left_value", pa.string(), nullable=False),
            pa.field("right_type", pa.string(), nullable=False),
            pa.field("right_value", pa.string(), nullable=False),
            pa.field("reason", pa.string(), nullable=False),
            pa.field("created_by", pa.string(), nullable=False),
            pa.field("created_at", TIMESTAMP, nullable=False),
        ]
    ),
)

BUILDS = Dataset(
    name="builds",
    partitions=("dt",),
    schema=pa.schema(
        [
            pa.field("build_id", pa.string(), nullable=False),
            pa.field("started_at", TIMESTAMP, nullable=False),
            pa.field("target", pa.string(), nullable=False),
            # What dbt calls the node, and what of that its kind and its name are.
            pa.field("node", pa.string(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),
            pa.field("name", pa.string(), nullable=False),
            pa.field("status", pa.string(), nullable=False),
            pa.field("seconds", pa.float64(), nullable=False),
        ]
    ),
)

DATASETS = (
    *(EVENTS, QUARANTINE, SYNC_LOG, QUARANTINE_RELEASES, IDENTITY_RULES),
    BUILDS,
)
