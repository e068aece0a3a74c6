"""Facts about a sync, as tables of a DuckDB connection.

`sync_log_rows`, `sync_runs_rows` and `sync_requests_rows` are views of what the raw
datasets tell of one sync: everything that a plan remembers. What a run that was killed
noted in its journals is among it before the next run lands them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from activations.journal import Told, read_journals
from collector.datasets import SYNC_LOG, SYNC_REQUESTS, SYNC_RUNS, Dataset
from collector.object_storage import RawPlace, parquet_files, register
from collector.raw import reading
from profiles.sql_names import literal

DATASETS = (SYNC_LOG, SYNC_RUNS, SYNC_REQUESTS)


def fact_files(raw: RawPlace, dataset: Dataset, sync: str | None = None) -> list[str]:
    """The files of the dataset that speak of `sync`, or of all."""
    place = dataset.name if sync is None else f"{dataset.name}/sync={sync}"
    return list(parquet_files(raw, place))


@contextlib.contextmanager
def facts_of(
    con: duckdb.DuckDBPyConnection,
    raw: RawPlace,
    sync: str,
    *,
    log_dir: Path | None = None,
) -> Iterator[None]:
    """Views of all facts about `sync`, to be read before this ends.

    With a `log_dir` what its journals tell counts as if it had landed.
    """
    register(con, raw)
    # Before files are listed: what lands meanwhile is found twice rather than never.
    journals = [] if log_dir is None else read_journals(log_dir, sync)
    with contextlib.ExitStack() as held:
        for dataset in DATASETS:
            held.enter_context(reading(raw, dataset))
            files = fact_files(raw, dataset, sync)
            told = journals if dataset is SYNC_LOG else ()
            view_facts(con, dataset, files, told)
        yield


def view_facts(
    con: duckdb.DuckDBPyConnection,
    dataset: Dataset,
    files: list[str],
    journals: Sequence[Told] = (),
    *,
    name: str | None = None,
) -> None:
    """Make `<dataset>_rows` a view of these files, empty where there is none. `name`
    stands in place of the dataset's.

    A journal stands for its file, should that be among them already.
    """
    name = name or dataset.name
    con.register(f"{name}_schema", dataset.schema.empty_table())
    source = f"from {name}_schema"
    if journals:
        rows = pa.concat_tables(journal.rows for journal in journals)
        con.register(f"{name}_journals", rows)
        source += f" union all by name from {name}_journals"
        landed = tuple(f"/{journal.name}.parquet" for journal in journals)
        files = [file for file in files if not file.endswith(landed)]
    if files:
        listed = ", ".join(literal(file) for file in files)
        # By name: files that were written before a column came have none of it.
        source += (
            f" union all by name from read_parquet([{listed}], "
            "hive_partitioning = false, union_by_name = true)"
        )
    # Paths below the data directory, quoted.
    con.execute(f"create or replace temp view {name}_rows as {source}")
