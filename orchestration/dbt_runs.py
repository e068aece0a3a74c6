"""Runs dbt in this process and tells what became of each node.

dbt takes seconds to import, so that happens inside functions.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import re
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from orchestration.targets import VARIABLE

Status = Literal["ok", "warn", "error", "skipped"]

_STATUS: dict[str, Status] = {
    "success": "ok",
    "pass": "ok",
    "no-op": "ok",
    "warn": "warn",
    "skipped": "skipped",
}

PARSED = "partial_parse.msgpack"
# What these find depends on the project's text, not on the data that is built.
WITHOUT_UNIT_TESTS = ("--exclude-resource-type", "unit_test")
ARTIFACTS = ("manifest.json", "run_results.json", PARSED)


def status_of(told: object) -> Status:
    """What a status of dbt comes to."""
    return _STATUS.get(str(told).lower(), "error")


@dataclass(frozen=True)
class NodeResult:
    """What became of one model, test or other node of the dbt project.

    `number` counts the finished nodes of the run, `total` all that were selected.
    """

    unique_id: str
    name: str
    kind: str
    path: str
    status: Status
    message: str
    seconds: float
    number: int
    total: int


@dataclass(frozen=True)
class DbtRun:
    """What one dbt command did; `problem` is why it could not start."""

    succeeded: bool
    nodes: tuple[NodeResult, ...]
    problem: str


def run_dbt(
    arguments: list[str],
    *,
    data_dir: Path,
    project_dir: Path,
    target: str | None = None,
    moment: datetime | None = None,
    on_start: Callable[[], None] | None = None,
    on_node: Callable[[NodeResult], None] | None = None,
    manifest: Any = None,
) -> DbtRun:
    """Run one dbt command on `project_dir`, quietly, with its state below `data_dir`.

    `on_start` is called before the first node runs, `on_node` after each one, both in
    threads of dbt but never two at a time. The artifacts appear in `dbt/target` whole.
    Without a `target` it is the one of the environment. With a `moment`, models take
    that for the time of their build. A `manifest` of dbt's own spares it all parsing;
    such a run is one of many in a hurry, and leaves neither artifacts nor a log.
    """
    from dbt.cli.main import dbtRunner

    def started_at_moment() -> None:
        gc.freeze()
        if moment is not None:
            _set_run_started_at(moment)
        if on_start is not None:
            on_start()

    progress = _Progress(on_start=started_at_moment, on_node=on_node)
    started = time.time()
    # Each command has its own directory, so that a parse may happen during a build.
    work = data_dir / "dbt" / arguments[0]
    variables = {"KITH_DATA_DIR": str(data_dir.resolve())}
    if target is not None:
        variables[VARIABLE] = target
    hurried = manifest is not None
    traces = ["--no-write-json"] if hurried else parsed_before(data_dir)
    with _environment(**variables), _garbage_collected_rarely():
        outcome = dbtRunner(manifest, callbacks=[progress]).invoke(
            [
                *arguments,
                *("--project-dir", str(project_dir)),
                *("--profiles-dir", str(project_dir)),
                *("--target-path", str(work.resolve())),
                *("--log-path", str((data_dir / "dbt" / "logs").resolve())),
                *("--log-level", "none"),
                *("--log-level-file", "none" if hurried else "info"),
                *traces,
            ]
        )
    _close_log()
    if isinstance(outcome.exception, KeyboardInterrupt):
        raise outcome.exception
    if progress.error is not None:
        raise progress.error
    _install(work, data_dir / "dbt" / "target", built_at=started)
    if not hurried and _waits_for_models(project_dir):
        (data_dir / "dbt" / "target" / PARSED).unlink(missing_ok=True)
    problem = "" if outcome.exception is None else str(outcome.exception).strip()
    nodes = tuple(_with_files(progress.nodes, outcome.result))
    return DbtRun(outcome.success, nodes, problem)


def parsed_before(data_dir: Path) -> list[str]:
    """Options that name what dbt parsed last: of that it parses what has changed.
    Without it, dbt is not to take what some command of its own left elsewhere."""
    parsed = (data_dir / "dbt" / "target" / PARSED).resolve()
    if not parsed.exists():
        return ["--no-partial-parse"]
    return ["--partial-parse-file-path", str(parsed)]


def _waits_for_models(project_dir: Path) -> bool:
    """Whether a yml stands where its model does not yet, which is compiled from it.

    What dbt has parsed then is of no use when the model comes: of a yml that is as it
    was, dbt tells a new model nothing.
    """
    return any(
        not any(file.with_suffix(suffix).exists() for suffix in (".sql", ".py"))
        and re.search(
            rf"""\bname:\s*['"]?{re.escape(file.stem)}\b""", file.read_text("utf-8")
        )
        for file in (project_dir / "models").rglob("*.yml")
    )


class _Progress:
    """Turns dbt's events into calls of `on_start` and `on_node`."""

    def __init__(
        self,
        *,
        on_start: Callable[[], None],
        on_node: Callable[[NodeResult], None] | None,
    ) -> None:
        self._on_start = on_start
        self._on_node = on_node
        self._lock = threading.RLock()  # a callback may make dbt tell more
        self._total = 0
        self._warnings: defaultdict[str, list[str]] = defaultdict(list)
        self.nodes: dict[str, NodeResult] = {}
        self.error: Exception | None = None

    def __call__(self, event: Any) -> None:
        # dbt keeps what a callback raises to itself; here it is kept for the caller.
        try:
            with self._lock:
                self._receive(event)
        except Exception as error:  # noqa: BLE001 (raised again after the run)
            self.error = self.error or error

    def _receive(self, event: Any) -> None:
        match event.info.name:
            case "ConcurrencyLine":
                self._total = event.data.node_count
                self._on_start()
            case "LogStartLine":  # counts the unit tests too, which come in later
                self._total = max(self._total, event.data.total)
            case "JinjaLogWarning":  # what a model says of itself while it is built
                self._warnings[_node_under_way()].append(str(event.data.msg))
            case "NodeFinished":
                self._finish(event.data)

    def _finish(self, data: Any) -> None:
        node, result = data.node_info, data.run_result
        if node.unique_id in self.nodes:  # a skipped node is told of twice
            return
        status = status_of(result.status)
        message = str(result.message).strip()
        warnings = self._warnings.pop(node.unique_id, None)
        if warnings and status == "ok":
            status, message = "warn", "\n".join(warnings)
        finished = NodeResult(
            unique_id=node.unique_id,
            name=node.node_name,
            kind=node.resource_type,
            path=node.node_path,
            status=status,
            message=message,
            seconds=result.execution_time,
            number=len(self.nodes) + 1,
            total=self._total,
        )
        self.nodes[node.unique_id] = finished
        if self._on_node is not None:
            self._on_node(finished)


def _node_under_way() -> str:
    """The id of the node that this thread of dbt builds; empty where it builds none."""
    from dbt_common.events.contextvars import get_node_info

    return str(get_node_info().get("unique_id", ""))


def _set_run_started_at(moment: datetime) -> None:
    """What dbt calls `run_started_at`, for the run that is under way."""
    from dbt import tracking

    if tracking.active_user is None:
        raise RuntimeError("dbt has begun a run without noting when")
    tracking.active_user.run_started_at = moment


def _with_files(nodes: dict[str, NodeResult], result: Any) -> Iterator[NodeResult]:
    """The nodes, each with the file it stands in; events know only a part of it."""
    files = {
        one.node.unique_id: one.node.original_file_path
        for one in getattr(result, "results", ())
    }
    for unique_id, node in nodes.items():
        yield replace(node, path=files.get(unique_id, node.path))


def _install(work: Path, target: Path, *, built_at: float) -> None:
    """Put the artifacts where they are read, each at once.

    The manifest gets the time of the run's start: what was edited since is not in it.
    """
    target.mkdir(parents=True, exist_ok=True)
    for name in ARTIFACTS:
        made = work / name
        if not made.exists() or made.stat().st_mtime < built_at:
            continue
        copy = target / f".{name}.{os.getpid()}"
        shutil.copyfile(made, copy)
        os.utime(copy, (built_at, built_at))
        copy.replace(target / name)


def _close_log() -> None:
    """Close dbt's log file, which dbt leaves open until its next run."""
    log = logging.getLogger("file_log")
    for handler in list(log.handlers):
        log.removeHandler(handler)
        handler.close()


@contextlib.contextmanager
def _garbage_collected_rarely() -> Iterator[None]:
    """dbt makes objects by the hundred thousand that live as long as its run, and what
    it has parsed is frozen when the first node runs: to look for cycles among all of
    them again and again takes a tenth of a build."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
