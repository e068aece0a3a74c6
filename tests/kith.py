"""Runs the `kith` command as a user does, on data and ports of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from orchestration.cli import main
from tests.servers import free_port


@dataclass
class Kith:
    """The command with its own data directory; `environ` adds to its variables.

    A command runs as a process of its own, unless `in_process` spares it the seconds
    that a start takes.
    """

    data_dir: Path
    environ: dict[str, str] = field(default_factory=dict)
    in_process: bool = False

    def __post_init__(self) -> None:
        self.environ = {
            "KITH_DATA_DIR": str(self.data_dir),
            "KITH_COLLECTOR_PORT": str(free_port()),
            "KITH_PROFILES_PORT": str(free_port()),
            "KITH_DAGSTER_PORT": str(free_port()),
            "KITH_CRM_URL": f"http://127.0.0.1:{free_port()}/crm",
            **self.environ,
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command to its end."""
        if self.in_process:
            return self.call(*arguments)
        return subprocess.run(
            [str(Path(sys.executable).parent / "kith"), *arguments],
            env={**os.environ, **self.environ},
            capture_output=True,
            text=True,
            check=False,
        )

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command in this process."""
        line = ["kith", *arguments]
        printed, told = io.StringIO(), io.StringIO()
        code: Any = None
        with (
            patch.dict(os.environ, self.environ),
            patch.object(sys, "argv", line),
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(told),
        ):
            try:
                main()
            except SystemExit as ended:
                code = ended.code
        assert isinstance(code, int)
        return subprocess.CompletedProcess(
            line, code, printed.getvalue(), told.getvalue()
        )

    def json(self, *arguments: str) -> Any:
        """Run a command with `--json`; fails with its messages when it fails."""
        result = self.run(*arguments, "--json")
        if result.returncode:
            raise AssertionError(f"kith {arguments}: {result.stderr}{result.stdout}")
        return json.loads(result.stdout)
