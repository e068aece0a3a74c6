"""How commands speak: progress on standard error, results on standard output."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console

from orchestration.cli.problems import Problem

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(document: Any) -> None:
    """Print one JSON object on standard output; times as ISO 8601."""
    out.print(json.dumps(document, default=_plain, ensure_ascii=False), markup=False)


def shown(path: Path) -> str:
    """The path as a person would type it here: relative when it is below this place."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def require_folder(file: Path) -> None:
    """Refuse, before any work is done, to write a file where no folder is."""
    if file.is_dir():
        raise Problem(f"{shown(file)} is a folder; name a file.")
    if not file.parent.is_dir():
        raise Problem(f"there is no folder {shown(file.parent)}; make it first.")


def _plain(value: Any) -> Any:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return str(value)
