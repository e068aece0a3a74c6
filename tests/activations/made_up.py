"""Tools that do not exist, by which tests say what manifests can say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from activations.manifest import Manifest
from tests.activations.bench import Bench, bench

SECRET = "s3cret"  # noqa: S105 - of tools that do not exist
GET = {"method": "GET"}
POST = {"method": "POST", "path": "/x", "json": "{{ entries }}"}


def work_with(
    tmp_path: Path,
    url: str,
    action: dict[str, Any],
    *,
    token: str = SECRET,
    **requester: Any,
) -> Bench:
    """A workbench for one action of a tool at `url`, whose secret is `token`."""
    manifest = {
        "name": "Tool",
        "documentation": "https://example.com",
        "settings": {"token": {"description": "A key.", "secret": True}},
        "requester": {"base_url": url} | requester,
        "actions": {"do": {"description": "Does it.", **action}},
    }
    return bench(
        tmp_path,
        "tool",
        {"token": "{{ env_var('TOKEN') }}"},
        action="do",
        catalog={"tool": Manifest.model_validate(manifest)},
        environ={"TOKEN": token},
    )


def upsert(**operation: Any) -> dict[str, Any]:
    return {"operations": {"upsert": {"request": POST, "batch_size": 10} | operation}}
