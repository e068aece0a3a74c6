"""Which paths the collector answers, and what each of them carries.

Clients disagree about the path of one and the same call: Segment's browser SDK uses
one letter, the HTTP API a word, RudderStack's beacon a prefix of its own; users add
slashes and path prefixes. All of that ends here: `find` gives one `Endpoint` for each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from collector.wire import BATCH, IMPORT, MERGE

ANY_PREFIX = "*"
_EVENTS = ("identify", "track", "page", "screen", "group", "alias")


class Action(Enum):
    """What the app does with a request."""

    COLLECT = auto()
    SWALLOW = auto()
    WEBHOOK = auto()
    PIXEL = auto()
    BROWSER_SETTINGS = auto()
    SOURCE_CONFIG = auto()
    HEALTH = auto()
    READY = auto()
    METRICS = auto()
    VERSION = auto()
    ROBOTS = auto()
    OPENAPI = auto()


@dataclass(frozen=True)
class Endpoint:
    """A path, with `{parameters}`, its method, and what a request to it carries."""

    path: str
    method: str
    action: Action
    carries: str = ""


def _collecting() -> list[Endpoint]:
    paths = {f"/v1/{word}": word for word in _EVENTS}
    paths |= {f"/v1/{word[0]}": word for word in _EVENTS}
    paths |= {"/v1/batch": BATCH, "/v1/b": BATCH, "/beacon/v1/batch": BATCH}
    paths |= {"/v1/import": IMPORT, "/v1/merge": MERGE}
    return [
        Endpoint(path, "POST", Action.COLLECT, carries)
        for path, carries in paths.items()
    ]


ENDPOINTS = (
    *_collecting(),
    # telemetry of the SDKs about themselves: accepted, so that they stay quiet
    Endpoint("/v1/m", "POST", Action.SWALLOW),
    Endpoint("/rsaMetrics", "POST", Action.SWALLOW),
    Endpoint("/v1/webhooks/{source}", "POST", Action.WEBHOOK),
    *(Endpoint(f"/v1/pixel/{word}", "GET", Action.PIXEL, word) for word in _EVENTS),
    Endpoint("/pixel/v1/track", "GET", Action.PIXEL, "track"),
    Endpoint("/pixel/v1/page", "GET", Action.PIXEL, "page"),
    Endpoint("/v1/projects/{write_key}/settings", "GET", Action.BROWSER_SETTINGS),
    Endpoint("/sourceConfig", "GET", Action.SOURCE_CONFIG),
    Endpoint("/", "GET", Action.HEALTH),
    Endpoint("/health", "GET", Action.HEALTH),
    Endpoint("/healthz", "GET", Action.HEALTH),
    Endpoint("/ready", "GET", Action.READY),
    Endpoint("/metrics", "GET", Action.METRICS),
    Endpoint("/version", "GET", Action.VERSION),
    Endpoint("/robots.txt", "GET", Action.ROBOTS),
    Endpoint("/openapi.json", "GET", Action.OPENAPI),
)

_EXACT: Mapping[str, Endpoint] = {
    endpoint.path: endpoint for endpoint in ENDPOINTS if "{" not in endpoint.path
}
_TEMPLATES = tuple(
    (re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", endpoint.path)), endpoint)
    for endpoint in ENDPOINTS
    if "{" in endpoint.path
)
_SLASHES = re.compile("/{2,}")
_BEFORE_KNOWN = re.compile(r"(/[^/]+)+?(?=/(v1|beacon|pixel|sourceConfig)(/|$))")


Found = tuple[Endpoint, Mapping[str, str]]
"""An endpoint, and what stood in the place of its parameters."""


def find(path: str, *, prefix: str = "") -> Found | None:
    """The endpoint of a path and its parameters, or None.

    Double and trailing slashes are forgiven; upper case is not. `prefix` may come
    first, or anything at all when it is `*`.
    """
    if endpoint := _EXACT.get(path):
        return endpoint, {}
    path = _SLASHES.sub("/", path).rstrip("/") or "/"
    if found := _find(path):
        return found
    if prefix == ANY_PREFIX:
        return _find(_BEFORE_KNOWN.sub("", path, count=1))
    if prefix and path.startswith(f"{prefix}/"):
        return _find(path.removeprefix(prefix))
    return _find("/") if prefix and path == prefix else None


def _find(path: str) -> Found | None:
    if endpoint := _EXACT.get(path):
        return endpoint, {}
    for pattern, endpoint in _TEMPLATES:
        if match := pattern.fullmatch(path):
            return endpoint, match.groupdict()
    return None
