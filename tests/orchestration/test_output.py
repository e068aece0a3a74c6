"""Files that commands write: where none can stand is told before any work is done."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.cli import app
from orchestration.cli.output import require_folder
from orchestration.cli.problems import Problem


@pytest.mark.parametrize(
    "command",
    [
        ["plan", "types", "--language", "python", "--output"],
        ["plan", "export"],
        ["trait", "asof", "2026-10-01", "--out"],
    ],
)
def test_a_file_in_a_folder_that_is_not_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Problem, match="there is no folder nowhere; make it first"):
        app([*command, "nowhere/file.csv"], standalone_mode=False)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="is a folder; name a file"):
        require_folder(tmp_path)
    require_folder(tmp_path / "file")
