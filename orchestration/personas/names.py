"""What a persona file can ask for: columns of profiles, traits, accounts, audiences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestration.conditions.catalogue import PERSON, PROFILES, Catalogue

ACCOUNT = "account_id"
ACCOUNTS = "accounts"


@dataclass(frozen=True)
class Names:
    """Names that can be asked for; columns lead to the model that has them.

    A trait is named by its column or by `model.column`.
    """

    profile: Mapping[str, str]
    traits: Mapping[str, str]
    accounts: Mapping[str, str]
    audiences: frozenset[str]


def names_of(catalogue: Catalogue) -> Names:
    """The names that a project has."""
    models = [name for name in catalogue.traits if name != PROFILES]
    return Names(
        profile=_columns(catalogue, [PROFILES], PERSON),
        traits=_columns(catalogue, models, PERSON),
        accounts=_columns(catalogue, [ACCOUNTS, *models], ACCOUNT),
        audiences=catalogue.audiences,
    )


def _columns(catalogue: Catalogue, models: list[str], key: str) -> dict[str, str]:
    """The columns of those models that have this key; the first of a name counts."""
    found: dict[str, str] = {}
    for model in models:
        columns = catalogue.tables[model].columns if model in catalogue.tables else {}
        if key in columns:
            for column in columns:
                found.setdefault(column, model)
                found[f"{model}.{column}"] = model
    return found
