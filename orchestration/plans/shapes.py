"""What was seen of a value: its types, how often, which texts; the rule it suggests.

A suggested rule accepts every value that was seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from collector.plan import Rule

REQUIRED_AFTER = 10
"""A value that was there every time is required once it was seen this often."""
ENUM_VALUES = 12
ENUM_REPEATS = 20
"""At most 12 texts, 20 times each on average, are taken for all that are allowed."""
_ENUM_LENGTH = 40
# More keys than this are data, as in a map from products to quantities.
_MOST_KEYS = 100

_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})", re.ASCII
)
_FORMATS = {
    "date-time": _TIME,
    "date": re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII),
    "uuid": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "email": re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+"),
}
_PERSONAL = re.compile(
    r"(e?mail|phone|mobile|(first|last|full|sur)_?name|birth_?(day|date)|address|"
    r"street|ip)(_?address|_?number)?",
    re.IGNORECASE,
)


@dataclass
class Shape:
    """Every value seen at one place, added up."""

    count: int = 0
    types: dict[str, int] = field(default_factory=dict)
    texts: dict[str, int] | None = field(default_factory=dict)
    """How often each text came; None once there are too many for a list."""
    formats: set[str] = field(default_factory=lambda: set(_FORMATS))
    inside: dict[str, Shape] | None = field(default_factory=dict)
    """The values of an object by key; None once there are too many keys."""
    items: Shape | None = None

    def add(self, value: Any) -> None:
        """Count one more value."""
        self.count += 1
        type = _type_of(value)
        self.types[type] = self.types.get(type, 0) + 1
        if isinstance(value, str):
            self._add_text(value)
        elif isinstance(value, dict):
            self._add_inside(value)
        elif isinstance(value, list):
            self.items = self.items or Shape()
            for element in value:
                self.items.add(element)

    def _add_text(self, text: str) -> None:
        if self.texts is not None:
            self.texts[text] = self.texts.get(text, 0) + 1
            # Addresses and paths are never a closed list.
            if len(self.texts) > ENUM_VALUES or len(text) > _ENUM_LENGTH or "/" in text:
                self.texts = None
        self.formats = {name for name in self.formats if _has_format(text, name)}

    def _add_inside(self, value: dict[str, Any]) -> None:
        if self.inside is None:
            return
        for key, inner in value.items():
            if inner is not None:  # null counts as absent
                self.inside.setdefault(key, Shape()).add(inner)
        if len(self.inside) > _MOST_KEYS:
            self.inside = None

    def rule(self, name: str = "", *, of: int | None = None) -> Rule:
        """The rule for a value of this name, inside `of` objects."""
        types = set(self.types)
        if "number" in types:
            types.discard("integer")
        is_text = types == {"string"}
        format = next(
            (f for f in _FORMATS if is_text and f in self.formats and self.count), None
        )
        is_personal = format == "email" or bool(_PERSONAL.fullmatch(name))
        enum = None if format or is_personal or not is_text else self._enum()
        always = of is not None and self.count == of and of >= REQUIRED_AFTER
        return Rule(
            types=tuple(sorted(types)),
            required=always,
            enum=enum,
            format=format,
            items=self.items.rule(name)
            if self.items is not None and self.items.count
            else None,
            properties=self._properties(),
            pii=is_personal,
            description="" if of is None else f"In {self.count:,} of {of:,}.",
        )

    def _properties(self) -> dict[str, Rule]:
        objects = self.types.get("object", 0)
        return {
            name: shape.rule(name, of=objects)
            for name, shape in sorted((self.inside or {}).items())
        }

    def _enum(self) -> tuple[str, ...] | None:
        """The allowed texts, when they come often enough to be all there are."""
        if self.texts is None or len(self.texts) < 2:
            return None
        if self.count < ENUM_REPEATS * len(self.texts):
            return None
        return tuple(sorted(self.texts))


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if -(2**63) <= value < 2**63 else "number"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def _has_format(text: str, name: str) -> bool:
    if not _FORMATS[name].fullmatch(text):
        return False
    if name not in ("date-time", "date"):
        return True
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
