"""What browser SDKs fetch before they send anything, and where it sends them.

Without an answer they send nothing; with one that does not name this collector,
Segment's sends to Segment.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from collector.errors import Refused
from collector.http import Call
from collector.sources import Source

_HOST = re.compile(r"[\w.-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?", re.ASCII)


def own_address(call: Call, public_url: str, prefix: str) -> tuple[str, str]:
    """Scheme and host (with the path prefix) under which a browser found us.

    Without `public_url` the request is believed: its answer goes to nobody else, as
    nothing may cache it.
    """
    scheme, host = call.scope.scheme, call.header("host") or call.scope.authority or ""
    if public_url:
        parts = urlsplit(public_url)
        scheme, host = parts.scheme, parts.netloc
    if not _HOST.fullmatch(host):
        raise Refused(400, "bad_host", "The Host header is missing or malformed.")
    return scheme, host + ("" if prefix == "*" else prefix)


def segment_settings(write_key: str, scheme: str, host: str) -> dict[str, Any]:
    """The settings with which Segment's browser SDK starts.

    A second integration would make it load more code from Segment, and a sample rate
    above zero report on itself.
    """
    return {
        "integrations": {
            "Segment.io": {
                "apiKey": write_key,
                "apiHost": f"{host}/v1",
                "protocol": scheme,
                "unbundledIntegrations": [],
                "addBundledMetadata": True,
                "maybeBundledConfigIds": {},
                "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
            }
        },
        "plan": {
            "track": {"__default": {"enabled": True, "integrations": {}}},
            "identify": {"__default": {"enabled": True}},
            "group": {"__default": {"enabled": True}},
        },
        "edgeFunction": {},
        "analyticsNextEnabled": True,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": False,
        "remotePlugins": [],
    }


def rudder_source_config(source: Source, write_key: str) -> dict[str, Any]:
    """The source configuration with which RudderStack's SDKs start.

    `enabled: false` stops them.
    """
    quiet = {"enabled": False}
    return {
        "source": {
            "id": source.name,
            "name": source.name,
            "writeKey": write_key,
            "enabled": source.enabled,
            "workspaceId": "kith",
            "config": {"statsCollection": {"errors": quiet, "metrics": quiet}},
            "sourceDefinition": {"name": "Javascript"},
            "destinations": [],
            "connections": [],
        }
    }
