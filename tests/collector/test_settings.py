"""The settings of the collector, and the table of them in its README."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from collector.settings import CollectorSettings
from collector.sources import DEVELOPMENT_KEY

README = Path("collector/README.md")
_ROW = re.compile(r"^\| `(KITH_\w+)` \| (.+?) \| .+ \|$", re.MULTILINE)


def documented() -> dict[str, str]:
    """Each variable of the README's table, with its default."""
    section = README.read_text().partition("\n## Settings\n")[2].partition("\n## ")[0]
    return dict(_ROW.findall(section))


def shown(name: str, default: Any) -> str | None:
    """How the README shows a default; None when it may say it in words."""
    if default is None or default in ("", ()):
        return None
    if isinstance(default, int | float):
        is_port = name.endswith("_port")
        return str(default) if is_port else f"{default:,}".removesuffix(".0")
    return f"`{default}`"


def test_the_readme_has_every_setting_with_its_default() -> None:
    rows = documented()
    fields = {
        f"KITH_{name.upper()}": shown(name, field.default)
        for name, field in CollectorSettings.model_fields.items()
    }
    assert sorted(rows) == sorted([*fields, DEVELOPMENT_KEY])
    wrong = {
        name: (rows[name], default)
        for name, default in fields.items()
        if default is not None and rows[name] != default
    }
    assert wrong == {}
