"""Keeps what happens to one persona from touching another.

All personas live in one warehouse, each of them once for every time it is looked at. So
whatever names somebody or something of theirs, an e-mail or an order, gets a mark that
no other has; what is read afterwards loses it again. What stands for nobody, such as a
blocked address, keeps doing so.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collector.strict_yaml import load

_ALWAYS = ("user_id", "anonymous_id", "previous_id", "group_id", "context.groupId")
_WIRE_NAMES = {
    "user_id": "userId",
    "anonymous_id": "anonymousId",
    "previous_id": "previousId",
    "group_id": "groupId",
    "message_id": "messageId",
}
_TOP = ("properties", "traits", "context", "integrations")
_DIGITS = re.compile(r"\+?\d[\d ()./-]*")


@dataclass(frozen=True)
class KeyPlaces:
    """Where keys stand in a call, and which values are none."""

    paths: tuple[str, ...]
    blocked: frozenset[str]
    patterns: tuple[re.Pattern[str], ...]

    def is_blocked(self, value: str) -> bool:
        """Whether the value stands for nobody."""
        return value.strip().lower() in self.blocked or any(
            pattern.search(value) for pattern in self.patterns
        )


def key_places(project_dir: Path) -> KeyPlaces:
    """Where a project finds identifiers, by its dbt_project.yml."""
    variables = load((project_dir / "dbt_project.yml").read_text("utf-8"))["vars"]
    identifiers = variables.get("identifiers", [])
    paths = [path for one in identifiers for path in one.get("paths", [])]
    blocked = [
        *variables.get("blocked_identifiers", []),
        *(value for one in identifiers for value in one.get("blocked", [])),
    ]
    patterns = [
        variables.get("blocked_identifier_pattern"),
        *(one.get("blocked_pattern") for one in identifiers),
    ]
    return KeyPlaces(
        paths=tuple(dict.fromkeys([*_ALWAYS, *paths])),
        blocked=frozenset(str(value).lower() for value in blocked),
        patterns=tuple(re.compile(pattern) for pattern in patterns if pattern),
    )


@dataclass(frozen=True)
class Mark:
    """The mark of one persona at one time, by its number among all of them."""

    number: int

    @property
    def text(self) -> str:
        """What it looks like; also the beginning of the names of its events."""
        return f"k{self.number:05d}"

    def put(self, value: str) -> str:
        """The value with the mark: still an address, or digits, if it was."""
        local, at, domain = value.rpartition("@")
        if at:
            return f"{local}.{self.text}@{domain}"
        if _DIGITS.fullmatch(value):
            return f"{value}{self._digits}"
        return f"{value}.{self.text}"

    def taken_off(self, text: str) -> str:
        """The text as it was before; folding its case does not hide the mark."""
        text = re.sub(rf"\.{self.text}\b", "", text, flags=re.IGNORECASE)
        return text.replace(self._digits, "")

    @property
    def _digits(self) -> str:
        return f"900{self.number:05d}009"


def marked(
    call: Mapping[str, Any], mark: Mark, places: KeyPlaces, own: Iterable[str]
) -> dict[str, Any]:
    """The call with every key marked; `own` are properties that hold keys besides."""
    copied = copy.deepcopy(dict(call))

    def put(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | int):
            return value
        text = str(value)
        return value if places.is_blocked(text) else mark.put(text)

    paths = [*places.paths, *(_path_of_own(name) for name in own)]
    for path in dict.fromkeys(paths):
        first, *rest = path.split(".")
        _change(copied, [_WIRE_NAMES.get(first, first), *rest], put)
    for external in _external_ids(copied):
        _change(external, ["id"], put)
    return copied


def replaced(value: Any, change: Callable[[str], str]) -> Any:
    """A document with every text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: replaced(inside, change) for key, inside in value.items()}
    if isinstance(value, list):
        return [replaced(inside, change) for inside in value]
    return value


def _path_of_own(name: str) -> str:
    return name if name.split(".")[0] in _TOP else f"properties.{name}"


def _change(found: Any, keys: list[str], change: Callable[[Any], Any]) -> None:
    """Change what stands at the keys, if anything does."""
    *above, last = keys
    for key in above:
        found = found.get(key) if isinstance(found, dict) else None
    if isinstance(found, dict) and last in found:
        found[last] = change(found[last])


def _external_ids(call: Mapping[str, Any]) -> list[Any]:
    context = call.get("context")
    listed = context.get("externalIds") if isinstance(context, dict) else None
    return listed if isinstance(listed, list) else []
