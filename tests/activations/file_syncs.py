"""Syncs to files, and what is in these."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from activations.files.places import open_place
from tests.activations.bench import Bench, bench
from tests.object_storage import BUCKET, CREDENTIALS, ObjectServer

OPTIONS = {
    "format": "csv",
    "name": None,
    "delimiter": "comma",
    "escape_formulas": True,
}
NOWHERE = dict.fromkeys(
    ("endpoint", "region", "access_key_id", "secret_access_key", "ca_file")
)


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
