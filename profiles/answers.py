"""The JSON of the Profile API: profiles, errors, and how values look in it."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from starlette.responses import Response

from profiles.lookup import Profile

# Answers hold personal data: no cache keeps them, no page shows or frames them.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def profile_response(profile: Profile, published_at: datetime) -> Response:
    """The answer to a lookup that found a profile."""
    return _json_response(
        200,
        {
            "profile_id": profile.profile_id,
            "traits": profile.traits,
            "identifiers": [
                {
                    "type": identifier.type,
                    "value": identifier.value,
                    "first_seen_at": identifier.first_seen_at,
                    "last_seen_at": identifier.last_seen_at,
                }
                for identifier in profile.identifiers
            ],
            "audiences": [
                {"name": audience.name, "entered_at": audience.entered_at}
                for audience in profile.audiences
            ],
            "published_at": published_at,
        },
    )


def status_response(status: int, text: str) -> Response:
    """The answer of the probes."""
    return _json_response(status, {"status": text})


def error_response(
    status: int,
    code: str,
    message: str,
    *,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer to a request that cannot be fulfilled."""
    body = {"error": {"code": code, "message": message}}
    return _json_response(status, body, headers=headers)


def _json_response(
    status: int, body: dict[str, Any], *, headers: Mapping[str, str] | None = None
) -> Response:
    content = json.dumps(_plain(body), ensure_ascii=False, allow_nan=False)
    return Response(
        content.encode(),
        status,
        headers={**_HEADERS, **(headers or {})},
        media_type="application/json",
    )


def _plain(value: Any) -> Any:
    """A warehouse value as JSON has it.

    Times are ISO 8601 in UTC; decimals are numbers; numbers that JSON does not know
    (NaN, infinity) are null; bytes are Base64; any other type is its text.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float() | Decimal():
            number = float(value)
            return number if math.isfinite(number) else None
        case datetime():
            moment = value if value.tzinfo else value.replace(tzinfo=UTC)
            return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return str(value)
