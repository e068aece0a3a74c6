"""Files of personas, and what is read from them."""

from __future__ import annotations

import textwrap
from pathlib import Path

from orchestration.personas.names import Names
from orchestration.personas.people import Persona, Problem
from orchestration.personas.reading import read_files

NAMES = Names(
    profile={"order_count": "profiles", "email": "profiles"},
    traits={
        "order_count": "traits_orders",
        "traits_orders.order_count": "traits_orders",
    },
    accounts={"account_plan": "accounts"},
    audiences=frozenset({"vip_customers", "newsletter_subscribers"}),
)
SMALLEST = """
    personas:
      - name: ada
        events:
          - {at: 1 day ago, type: page, userId: ada}
        expect: {profiles: 1}
"""


def write(folder: Path, text: str, name: str = "some.yml") -> Path:
    file = folder / name
    file.write_text(textwrap.dedent(text).lstrip("\n"))
    return file


def read(folder: Path, text: str) -> tuple[list[Persona], list[Problem]]:
    return read_files([write(folder, text)], NAMES)
