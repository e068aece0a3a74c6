"""Which source a request belongs to, and whether that source may send it."""

from __future__ import annotations

import base64
import binascii

from collector.errors import Refused
from collector.sources import Source, Sources


def basic_key(authorization: str | None) -> str | None:
    """The write key of a Basic `Authorization` header: its user name.

    A missing colon is tolerated, as some clients leave it out. Raises `Refused` when
    the header is there but unreadable.
    """
    if authorization is None:
        return None
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise no_source("invalid_write_key")
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        raise no_source("invalid_write_key") from None
    return decoded.partition(":")[0]


def authenticate(sources: Sources, keys: list[str | None]) -> Source:
    """The source of the request, from the write keys it carries, best first.

    A key further down may be unknown (one client masks the one in its body), but it
    may not be that of another source.
    """
    given = [key for key in keys if key]
    if not given:
        raise no_source("missing_write_key")
    source, *others = (sources.find(key.encode(errors="replace")) for key in given)
    if source is None:
        raise no_source("invalid_write_key")
    if any(other is not None and other != source for other in others):
        raise Refused(
            400,
            "conflicting_write_key",
            "The header, the query and the body name different sources.",
        )
    return source


def require_permission(source: Source, *, origin: str | None, region: str) -> None:
    """Refuse what this source may not send, or may not send here."""
    if not source.enabled:
        raise Refused(403, "source_disabled", "This source is switched off.")
    if not source.allows_origin(origin):
        raise Refused(
            403,
            "origin_not_allowed",
            "Pages of this origin may not send to this source; see `allowed_origins`.",
        )
    if region and source.region and source.region != region:
        place = source.region_url or "the collector there"
        raise Refused(
            421,
            "wrong_region",
            f"This source belongs to the region {source.region}; send to {place}.",
        )


def no_source(code: str) -> Refused:
    """The one answer to a missing, malformed or wrong write key."""
    return Refused(
        401,
        code,
        "Send the write key of an enabled source: as the user name of Basic "
        "authentication, or as `writeKey` in the body or the query.",
    )
