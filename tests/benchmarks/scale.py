"""What a build takes as the events grow, on each engine.

    ./kith bench scale

For every engine and number of events: the whole warehouse from raw facts, then the
build after one percent more of them. Each is a program of its own that does what
`kith build` does, one node after the other, on every core. The events are those of the
demo's shop (`orchestration/demo/crowd.py`), the same for each engine.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from orchestration.demo.crowd import write_history, write_next_day
from tests.benchmarks import scale_report
from tests.benchmarks.collector import describe_machine

SIZES = {
    "duckdb": [1_000_000, 3_000_000, 10_000_000],
    "spark": [1_000_000, 3_000_000],
}
"""How many events each engine builds when nothing else is asked for."""


def measure(directory: Path, *, engines: list[str], sizes: list[int]) -> dict[str, Any]:
    """All figures, as one document."""
    wanted = {engine: sizes or SIZES[engine] for engine in engines}
    builds = [
        build
        for events in sorted({size for some in wanted.values() for size in some})
        for build in _builds_of(
            directory, events, [name for name in engines if events in wanted[name]]
        )
    ]
    return {"machine": describe_machine(), "builds": builds}


def _builds_of(
    directory: Path, events: int, engines: list[str]
) -> Iterator[dict[str, Any]]:
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        place = Path(scratch)
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        crowd = write_history(place / "history", events=events, until=yesterday)
        write_next_day(place / "next_day", crowd, events=events // 100)
        for engine in engines:
            data_dir = place / engine
            for name, kind in (("history", "full"), ("next_day", "+1 %")):
                _add(place / name, data_dir / "raw")
                yield {
                    "engine": engine,
                    "events": events,
                    "people": crowd.people,
                    "kind": kind,
                    **_build(data_dir, engine),
                    "disk_mb": _size_mb(data_dir) - _size_mb(data_dir / "raw"),
                }
            shutil.rmtree(data_dir)


def _add(facts: Path, raw_dir: Path) -> None:
    """Put raw facts into a data directory, as links: nobody changes them."""
    shutil.copytree(facts, raw_dir, copy_function=_link, dirs_exist_ok=True)


def _link(file: str, copy: str) -> None:
    if not Path(copy).exists():
        os.link(file, copy)


def _build(data_dir: Path, engine: str) -> dict[str, Any]:
    """What one build takes, as the program `scale_build` tells it."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.scale_build", str(data_dir)],
        env=os.environ | {"KITH_TARGET": engine, "KITH_THREADS": "1"},
        check=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    if ended.returncode:
        sys.exit(f"the build on {engine} failed")
    figures: dict[str, Any] = json.loads(ended.stdout)
    return figures


def _size_mb(directory: Path) -> float:
    return (
        sum(
            file.stat().st_blocks * 512
            for file in directory.rglob("*")
            if file.is_file() and not file.is_symlink()
        )
        / 2**20
    )


def main() -> int:
    """Measure and print; figures go to standard output."""
    options = _options()
    options.directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.directory, prefix="bench-") as scratch:
        figures = measure(
            Path(scratch), engines=options.engines, sizes=options.events or []
        )
    if options.json:
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    else:
        scale_report.show(figures)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="kith bench scale")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--events", type=int, action="append")
    parser.add_argument("--engines", type=_engines, default=[*SIZES])
    parser.add_argument("--directory", type=Path, required=True)
    return parser.parse_args()


def _engines(text: str) -> list[str]:
    engines = [name.strip() for name in text.split(",")]
    unknown = [name for name in engines if name not in SIZES]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"{', '.join(unknown)}: there are {', '.join(SIZES)}"
        )
    return engines


if __name__ == "__main__":
    sys.exit(main())
