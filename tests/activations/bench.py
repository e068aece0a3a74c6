"""A workbench for syncs: a payload in DuckDB, an account, a log in a directory."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from activations.actions import Action, Mode
from activations.destinations import load_destinations
from activations.digest import write_digest
from activations.facts import fact_files, facts_of
from activations.guards import Guards
from activations.manifest import CATALOG, Catalog, Manifest
from activations.plan import Plan, make_plan
from activations.rates import account_budget
from activations.retries import Retry
from activations.runs import SyncRun, run_sync
from activations.sync import Sync
from activations.sync_log import SyncLog
from activations.sync_requests import Request, ask
from collector.datasets import SYNC_LOG, SYNC_RUNS

QUICK = Retry(
    attempts=3, first_wait=0.01, longest_wait=0.05, longest_retry_after=1, seconds=5
)


NAME = "acct__people"


@dataclass
class Unfenced:
    """The lease of somebody who is alone."""

    token: int = 0

    def check(self) -> None:
        """Nobody takes over."""

    def fenced(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


@dataclass
class Bench:
    """Runs one sync against whatever its account names."""

    data_dir: Path
    sync: Sync
    retry: Retry = QUICK
    con: duckdb.DuckDBPyConnection = field(default_factory=duckdb.connect)

    def payload(
        self, rows: Iterable[Mapping[str, Any]], schema: pa.Schema | None = None
    ) -> None:
        """Make these rows the payload."""
        table = pa.Table.from_pylist(list(rows), schema=schema)
        self.con.execute("create schema if not exists syncs")
        self.con.register("given", table)
        self.con.execute("create or replace table syncs.acct__people as from given")
        self.con.unregister("given")

    def people(self, numbers: Iterable[int], *, plan: str = "free") -> None:
        """A payload with a row for each number: p007@example.com."""
        schema = pa.schema([("email", pa.string()), ("plan", pa.string())])
        self.payload([{"email": email(n), "plan": plan} for n in numbers], schema)

    def plan(self, *, allow_deletes: int | None = None) -> Plan:
        self._release(allow_deletes)
        return make_plan(self.sync, data_dir=self.data_dir, con=self.con)

    def run(self, *, allow_deletes: int | None = None) -> SyncRun:
        self._release(allow_deletes)
        return run_sync(
            self.sync,
            data_dir=self.data_dir,
            con=self.con,
            retry=self.retry,
        )

    def _release(self, deletes: int | None) -> None:
        if deletes is not None:
            self.ask("release", deletes=deletes)

    def ask(self, request: Any, **what: Any) -> None:
        """Note that somebody asks something of the sync."""
        asked = Request(
            sync=self.sync.name, request=request, requested_by="test", **what
        )
        ask(self.data_dir / "raw", asked)

    def runs(self) -> list[dict[str, Any]]:
        """The facts about runs that finished, the oldest first."""
        rows: list[dict[str, Any]] = []
        for file in fact_files(self.data_dir / "raw", SYNC_RUNS, self.sync.name):
            rows += pq.ParquetFile(file).read().to_pylist()
        finished = [row for row in rows if row["event"] == "finished"]
        return sorted(finished, key=lambda row: row["at"])

    def digest(self, plan: Plan, *, stale_share: float = 0.0) -> None:
        """Write a digest, as runs of large syncs do after a plan and its delivery."""
        with facts_of(self.con, self.data_dir / "raw", self.sync.name):
            write_digest(
                self.con,
                self.sync,
                self.data_dir / "log",
                plan.digest,
                stale_share=stale_share,
            )

    def write_log(
        self,
        run_id: str,
        after: datetime | None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> SyncLog:
        """The sync log, to write outcomes of a run into by hand."""
        return SyncLog(
            self.data_dir / "raw",
            self.sync,
            run_id=run_id,
            log_dir=self.data_dir / "log",
            lease=Unfenced(),
            after=after,
            now=now,
        )

    def is_back(self) -> None:
        """The account's circuit closes, as it does when a request is answered."""
        budget = account_budget(self.data_dir / "log", self.sync.account.name)
        budget.answered()
        budget.close()

    def configure(self, **changes: Any) -> None:
        """Change the sync: its mode, action, share of deletes."""
        self.sync = replace(self.sync, **changes)

    def log(self) -> list[dict[str, Any]]:
        """The sync log, oldest row first."""
        rows: list[dict[str, Any]] = []
        for file in fact_files(self.data_dir / "raw", SYNC_LOG, self.sync.name):
            rows += pq.ParquetFile(file).read().to_pylist()
        return sorted(rows, key=lambda row: row["at"])

    def outcomes(self) -> dict[str, str]:
        """The last outcome of each key."""
        return {row["key"]: row["outcome"] for row in self.log()}


_CATALOG = Catalog()


def email(number: int) -> str:
    return f"p{number:03}@example.com"


def bench(
    tmp_path: Path,
    tool: str,
    settings: Mapping[str, Any],
    *,
    action: str,
    mode: Mode = "mirror",
    options: Mapping[str, Any] | None = None,
    catalog: Mapping[str, Manifest] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Bench:
    """A workbench whose account `acct` is one in `tool`, on the private network."""
    account = {"manifest": tool, "private_network": True, "settings": dict(settings)}
    file = tmp_path / "destinations.yml"
    file.write_text(yaml.safe_dump({"acct": account}), encoding="utf-8")
    accounts = load_destinations(
        file, catalog=catalog or _CATALOG, environ=environ or {}
    )
    sync = Sync(
        name=NAME,
        model=f"model.kith.{NAME}",
        schema="syncs",
        table=NAME,
        account=accounts["acct"],
        action_name=action,
        mode=mode,
        key="email",
        options=_options(accounts["acct"].manifest.actions[action], options or {}),
        # Here all rows change as a matter of course.
        guards=Guards(max_change_share=1),
    )
    return Bench(data_dir=tmp_path / "data", sync=sync)


def _options(action: Action, given: Mapping[str, Any]) -> dict[str, Any]:
    """Every option of the action, with its default where it is not given."""
    return {name: given.get(name, o.default) for name, o in action.options.items()}


def catalog_at(url: str, tool: str, **changes: Any) -> dict[str, Manifest]:
    """The manifest of `tool`, speaking to `url` instead of to the tool itself.

    `changes` are made to its first operation: `batch_size=3`.
    """
    raw = yaml.safe_load((CATALOG / f"{tool}.yml").read_text(encoding="utf-8"))
    if "requester" in raw and "settings." not in raw["requester"]["base_url"]:
        raw["requester"]["base_url"] = url
    if changes:
        action = next(iter(raw["actions"].values()))
        for operation in action["operations"].values():
            operation |= changes
    return {tool: Manifest.model_validate(raw)}
