"""What makes a row of a table one of its own, by the tests of the dbt project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class Keys:
    """The columns of each table that its tests `unique_key` or `unique` name."""

    def __init__(self, manifest: Path) -> None:
        nodes = json.loads(manifest.read_text())["nodes"]
        self._keys: dict[tuple[str, str], tuple[str, ...]] = {}
        for node in nodes.values():
            metadata = node.get("test_metadata") or {}
            tested = nodes.get(node.get("attached_node"))
            columns = _columns(metadata.get("name"), metadata.get("kwargs", {}))
            if tested is not None and columns:
                name = (tested["schema"], tested["alias"])
                # The wider of two keys tells more.
                self._keys[name] = max(self._keys.get(name, ()), columns, key=len)

    def of(self, name: tuple[str, str]) -> tuple[str, ...]:
        """The key of a table; nothing where no test names one."""
        return self._keys.get(name, ())


def _columns(test: str | None, arguments: dict[str, Any]) -> tuple[str, ...]:
    if test == "unique_key":
        return tuple(arguments["columns"])
    if test == "unique":
        return (arguments["column_name"],)
    return ()
