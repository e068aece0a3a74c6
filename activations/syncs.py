"""Syncs: the models under `models/syncs`, as dbt's manifest tells of them.

`meta.sync` of a model says where its rows go and how; the model's columns are the
payload. The file that is read is what `dbt parse` or a build leaves behind.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from activations.destinations import Account, load_destinations
from activations.errors import ConfigError
from activations.manifest import Catalog
from activations.sync import Sync
from activations.sync_reader import FOLDER, SyncReader, is_in_folder

__all__ = [
    "DESTINATIONS",
    "FOLDER",
    "Sync",
    "dbt_manifest",
    "find_problems",
    "load_syncs",
]

DESTINATIONS = Path(__file__).parent / "destinations.yml"


def dbt_manifest(data_dir: Path) -> Path:
    """Where dbt leaves its manifest below the data directory."""
    return data_dir / "dbt" / "target" / "manifest.json"


def load_syncs(
    data_dir: Path,
    *,
    destinations_file: Path = DESTINATIONS,
    environ: Mapping[str, str] | None = None,
) -> dict[str, Sync]:
    """Every sync by name, checked against the accounts, the catalog and its model.

    `ConfigError` names all problems of all files at once. A variable that an account
    needs and that is not set is no problem here, only when the account is used.
    """
    syncs, _, problems = _read(data_dir, destinations_file, environ)
    if problems:
        raise ConfigError(problems)
    return syncs


def find_problems(
    data_dir: Path,
    *,
    destinations_file: Path = DESTINATIONS,
    environ: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Everything that keeps a sync from running, without calling anybody.

    To what `load_syncs` refuses it adds the variables that accounts need.
    """
    _, accounts, problems = _read(data_dir, destinations_file, environ)
    unset = [line for account in accounts.values() for line in account.unresolved]
    return (*problems, *unset)


def _read(
    data_dir: Path, destinations_file: Path, environ: Mapping[str, str] | None
) -> tuple[dict[str, Sync], dict[str, Account], list[str]]:
    """What can be read of the syncs and accounts, and every problem on the way."""
    syncs: dict[str, Sync] = {}
    accounts: dict[str, Account] = {}
    problems: list[str] = []
    try:
        accounts = load_destinations(
            destinations_file, catalog=Catalog(), environ=environ
        )
    except ConfigError as error:
        problems.extend(error.problems)
    are_accounts_known = not problems
    try:
        nodes = _sync_models(dbt_manifest(data_dir))
    except ConfigError as error:
        return syncs, accounts, [*problems, *error.problems]
    for node in nodes:
        reader = SyncReader(node, accounts, are_accounts_known=are_accounts_known)
        sync = reader.read()
        problems.extend(reader.problems)
        if sync is not None:
            syncs[sync.name] = sync
    return syncs, accounts, problems


def _sync_models(path: Path) -> list[dict[str, Any]]:
    """The models that are syncs, or say that they are."""
    try:
        nodes = json.loads(path.read_text(encoding="utf-8"))["nodes"].values()
    except FileNotFoundError:
        raise ConfigError(
            f"{path} does not exist: dbt has not read the project yet. "
            "Run `./kith build`."
        ) from None
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ConfigError(f"{path} is not a manifest of dbt: {error}") from error
    return [
        node
        for node in sorted(nodes, key=lambda node: str(node["name"]))
        if node["resource_type"] == "model"
        and (is_in_folder(node) or "sync" in node["config"].get("meta", {}))
    ]
