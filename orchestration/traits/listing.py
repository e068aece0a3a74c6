"""All traits of the project: what they are, and who says how they are computed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from orchestration.conditions.model_files import state

_MAKERS = {
    "compiled": "definition",
    "edited": "definition, edited",
    "written": "hand",
    "absent": "hand",
}


@dataclass(frozen=True)
class ListedTrait:
    """A column of a model of traits. `made_by` says whether its SQL is compiled."""

    model: str
    column: str
    data_type: str
    type: str
    made_by: str
    description: str

    @property
    def name(self) -> str:
        """How it is found among all others."""
        return f"{self.model}.{self.column}"

    @property
    def as_json(self) -> dict[str, str]:
        """It as a JSON object."""
        return {"name": self.name, **asdict(self)}


def list_all(manifest: Path, project_dir: Path) -> list[ListedTrait]:
    """Every trait, by model, in the order of the ymls."""
    nodes = json.loads(manifest.read_bytes())["nodes"].values()
    models = [
        node
        for node in nodes
        if node["resource_type"] == "model" and node["fqn"][1] == "traits"
    ]
    return [
        trait
        for model in sorted(models, key=lambda node: str(node["name"]))
        for trait in _traits_of(model, project_dir)
    ]


def _traits_of(node: dict[str, Any], project_dir: Path) -> list[ListedTrait]:
    maker = _MAKERS[state(project_dir / node["original_file_path"])]
    traits = []
    for name, column in node["columns"].items():
        if name in ("profile_id", "account_id"):
            continue
        meta = (column.get("config") or {}).get("meta") or {}
        trait = meta.get("trait")
        traits.append(
            ListedTrait(
                model=node["name"],
                column=name,
                data_type=column.get("data_type") or "",
                type=str(trait.get("type")) if isinstance(trait, dict) else "sql",
                made_by=maker,
                description=" ".join((column.get("description") or "").split()),
            )
        )
    return traits
