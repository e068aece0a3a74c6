"""Cross-origin answers: without them a browser hides the answer from its SDK.

An SDK that cannot read the answer takes the event for lost and sends it again and
again, so every answer carries these headers, refusals included. Which origins a source
accepts is decided where the source is known, in `authentication.py`: a preflight names
no source.
"""

from __future__ import annotations

from granian.rsgi import Scope

Headers = list[tuple[str, str]]
MAX_AGE_SECONDS = 7_200  # the most that Chromium believes
_METHODS = "GET, POST, HEAD, OPTIONS"
_USUAL_HEADERS = "authorization, content-type, x-retry-count"


def answer_headers(scope: Scope) -> Headers:
    """What the answer to a request needs so that a page of its origin can read it."""
    origin = scope.headers.get("origin")
    if origin is None:
        return [("vary", "origin")]
    return [
        ("vary", "origin"),
        ("access-control-allow-origin", origin),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "retry-after"),
    ]


def preflight_headers(scope: Scope) -> Headers:
    """The answer to a preflight: whatever headers it asks for may be sent.

    They are named one by one because `*` does not cover `authorization`, and echoed
    because the SDKs add headers of their own to retries.
    """
    wanted = scope.headers.get("access-control-request-headers", _USUAL_HEADERS)
    return [
        *answer_headers(scope),
        ("access-control-allow-methods", _METHODS),
        ("access-control-allow-headers", wanted),
        ("access-control-max-age", str(MAX_AGE_SECONDS)),
    ]
