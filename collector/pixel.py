"""Pixels: an event in the address of an image, for mails and pages without scripts.

The event is base64 JSON in `data`, or flat in the query: `userId=u&properties.plan=x`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from collector import strict_json
from collector.errors import Refused, Unacceptable
from collector.http import Answer

GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_NESTED = ("properties", "traits", "context", "integrations")


def image(status: int = 200) -> Answer:
    """A transparent pixel that no cache may keep."""
    return Answer(GIF, status, "image/gif", [("cache-control", "no-store, private")])


def event(query: Mapping[str, str]) -> dict[str, Any]:
    """The event of a pixel's query; raises `Unacceptable` when `data` is unreadable."""
    if "data" in query:
        return _decoded(query["data"])
    document: dict[str, Any] = {}
    for name, value in query.items():
        first, *rest = name.split(".")
        if rest and first in _NESTED:
            _put(document, [first, *rest], value)
        else:
            document[name] = value
    return document


def _put(document: dict[str, Any], path: list[str], value: str) -> None:
    for step in path[:-1]:
        below = document.setdefault(step, {})
        if not isinstance(below, dict):
            return  # `a=1&a.b=2`: the first one stands
        document = below
    document.setdefault(path[-1], value)


def _decoded(data: str) -> dict[str, Any]:
    plain = data.replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
    try:
        text = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
        document = strict_json.load(text).document
    except (binascii.Error, ValueError, Refused):
        raise Unacceptable(
            "bad_pixel_data", "must be base64 of JSON", path="data"
        ) from None
    if not isinstance(document, dict):
        raise Unacceptable("bad_pixel_data", "must hold one JSON object", path="data")
    return document
