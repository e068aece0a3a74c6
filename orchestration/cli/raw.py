"""`kith raw`: looks after the files of the raw datasets."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from orchestration.cli.output import err, out, print_json
from orchestration.cli.problems import Problem

if TYPE_CHECKING:
    from collector.compaction import CompactionReport
    from collector.scrub import ScrubReport

AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as one JSON object.")
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    group = typer.Typer(
        help="Look after the files of the raw datasets.", no_args_is_help=True
    )
    group.command()(compact)
    group.command()(scrub)
    app.add_typer(group, name="raw")


def compact(as_json: AsJson = False) -> None:
    """Merge the many small files of each partition into few large ones.

    Every build does this too. Exit code 1 when a file is damaged; it is left as it is.
    """
    report = _compact()
    damaged = {str(path): problem for path, problem in report.damaged.items()}
    if as_json:
        print_json({**asdict(report), "damaged": damaged})
    else:
        for path, problem in damaged.items():
            err.print(f"{path}: {problem}. See `./kith raw scrub`.", markup=False)
        out.print(
            f"merged {report.files_before} files ({_kilobytes(report.bytes_before)}) "
            f"of {report.partitions} partitions into {report.files_after} "
            f"({_kilobytes(report.bytes_after)}); {report.rows} rows"
        )
    if damaged:
        raise typer.Exit(1)


def scrub(as_json: AsJson = False) -> None:
    """Read all raw datasets and the log; name what is damaged, foreign or doubled.

    Verifies the checksums of everything and changes nothing. Exit code 1 when
    something is found.
    """
    report = _scrub()
    if as_json:
        print_json(asdict(report))
    else:
        for finding in report.findings:
            out.print(f"{finding.file}\n  {finding.problem}", markup=False)
            out.print(f"  {finding.mend}", markup=False)
        out.print(
            f"read {report.rows} rows in {report.files} files and {report.segments} "
            f"segments of the log ({_kilobytes(report.bytes)}); "
            f"findings: {len(report.findings)}"
        )
    if report.findings:
        raise typer.Exit(1)


def _compact() -> CompactionReport:
    from pathlib import Path

    from collector.compaction import compact
    from collector.merging import CompactionFailed
    from collector.settings import CollectorSettings
    from orchestration.warehouse import WarehouseBusy, warehouse_lock

    settings = CollectorSettings()
    raw_dir = settings.raw_place()
    if not isinstance(raw_dir, Path):
        raise Problem(
            f"{raw_dir.url}: files on object storage are not compacted. "
            "A larger KITH_SEGMENT_SECONDS makes fewer of them."
        )
    try:
        with warehouse_lock(settings.data_dir, on_wait=err.print):
            return compact(settings.log_dir, raw_dir)
    except (CompactionFailed, OSError, WarehouseBusy) as error:
        raise Problem(str(error)) from error


def _scrub() -> ScrubReport:
    from collector.scrub import scrub
    from collector.settings import CollectorSettings

    settings = CollectorSettings()
    with Progress(
        TextColumn("reading the raw datasets and the log"),
        BarColumn(),
        MofNCompleteColumn(),
        console=err,
        transient=True,
    ) as progress:
        task = progress.add_task("", total=None)
        return scrub(
            settings.log_dir,
            settings.raw_place(),
            on_file=lambda done, total: progress.update(
                task, completed=done, total=total
            ),
        )


def _kilobytes(size: int) -> str:
    return f"{size / 1_000:,.0f} kB"
