"""One build of `kith bench scale`, as a program of its own.

    KITH_TARGET=duckdb python -m tests.benchmarks.scale_build DIRECTORY

It is what `kith build` does, from landing to publishing, in the data directory; what it
took is printed as JSON. With KITH_THREADS=1 one node runs after the other, so that time
and memory can be told apart.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from orchestration.dbt_runs import NodeResult
from orchestration.project import BuildError, build
from tests.benchmarks.process_tree import MemoryWatch, cpu_seconds


def measure(data_dir: Path) -> dict[str, Any]:
    """What the build took, in all and for each node."""
    nodes: list[dict[str, Any]] = []
    started, spent = time.monotonic(), cpu_seconds()

    def ended(node: NodeResult) -> None:
        nodes.append(
            {
                "name": node.name,
                "kind": node.kind,
                "seconds": node.seconds,
                "peak_mb": watch.peak_mb(),
            }
        )

    with MemoryWatch() as watch:
        build(data_dir, on_node=ended)
    return {
        "seconds": time.monotonic() - started,
        "cpu_seconds": cpu_seconds() - spent,
        "peak_mb": watch.peak_of_all,
        "nodes": nodes,
    }


def main() -> int:
    """Build, and print what it took."""
    try:
        sys.stdout.write(json.dumps(measure(Path(sys.argv[1]))) + "\n")
    except BuildError as error:
        sys.exit(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
