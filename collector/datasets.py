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

_COUNTED = ("planned", "succeeded", "rejected", "failed", "held")
_OPERATIONS = ("insert", "update", "delete")

SYNC_RUNS = Dataset(
    name="sync_runs",
    partitions=("sync", "dt"),
    schema=pa.schema(
        [
            pa.field("sync", pa.string(), nullable=False),
            pa.field("run_id", pa.string(), nullable=False),
            pa.field("at", TIMESTAMP, nullable=False),
            # started or finished; a run that never finished was killed.
            pa.field("event", pa.string(), nullable=False),
            pa.field("model", pa.string(), nullable=False),
            pa.field("destination", pa.string(), nullable=False),
            pa.field("action", pa.string(), nullable=False),
            pa.field("mode", pa.string(), nullable=False),
            pa.field("primary_key", pa.string(), nullable=False),
            pa.field("started_at", TIMESTAMP, nullable=False),
            # What follows is known when the run has finished, as far as it got.
            pa.field("finished_at", TIMESTAMP),
            pa.field("status", pa.string()),
            pa.field("stop_code", pa.string()),
            pa.field("stopped", pa.string()),
            pa.field("guard", pa.string()),
            pa.field("held_reason", pa.string()),
            pa.field("payload_rows", pa.int64()),
            pa.field("destination_rows", pa.int64()),
            *(
                pa.field(f"{counted}_{operation}", pa.int64())
                for counted in _COUNTED
                for operation in _OPERATIONS
            ),
            pa.field("refused", pa.int64()),
            pa.field("dead", pa.int64()),
            pa.field("left_out", pa.int64()),
            pa.field("watermark", pa.string()),
        ]
    ),
)

SYNC_REQUESTS = Dataset(
    name="sync_requests",
    partitions=("sync", "dt"),
    schema=pa.schema(
        [
            pa.field("request_id", pa.string(), nullable=False),
            pa.field("sync", pa.string(), nullable=False),
            pa.field("at", TIMESTAMP, nullable=False),
            # release lets a held run's rows go, retry sends what failed again, resync
            # sends everything again.
            pa.field("request", pa.string(), nullable=False),
            pa.field("run_id", pa.string()),
            pa.field("key", pa.string()),
            # Whether a retry is of what was rejected too.
            pa.field("rejected", pa.bool_()),
            # How many rows a release lets go, at most.
            pa.field("inserts", pa.int64()),
            pa.field("updates", pa.int64()),
            pa.field("deletes", pa.int64()),
            pa.field("reason", pa.string()),
            pa.field("requested_by", pa.string(), nullable=False),
        ]
    ),
)

ALERTS = Dataset(
    name="alerts",
    partitions=("dt",),
    schema=pa.schema(
        [
            pa.field("alert_id", pa.string(), nullable=False),
            pa.field("at", TIMESTAMP, nullable=False),
            pa.field("subject", pa.string(), nullable=False),
            pa.field("channel", pa.string(), nullable=False),
            pa.field("state", pa.string(), nullable=False),
            pa.field("previous_state", pa.string(), nullable=False),
            pa.field("reason", pa.string()),
            # sending before it goes out, then sent or failed; with neither, nobody
            # knows whether it arrived.
            pa.field("outcome", pa.string(), nullable=False),
            pa.field("message", pa.string()),
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
    *(EVENTS, QUARANTINE, SYNC_LOG, SYNC_RUNS, SYNC_REQUESTS),
    *(ALERTS, QUARANTINE_RELEASES, IDENTITY_RULES, BUILDS),
)
