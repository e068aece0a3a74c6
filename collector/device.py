"""What the context says of the person's device and wishes: address, browser, consent.

The setting `KITH_IP_ADDRESSES` says how much of an address is stored, in the context
too; a context whose `ip` is null or 0.0.0.0 asks that none be. Robots are labelled, not
dropped, and only where a person's own device speaks.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any, Literal

IpPolicy = Literal["keep", "truncate", "drop"]

_UNWANTED = (None, "0.0.0.0")  # noqa: S104 - compared with, never bound to
_LONGEST = 45
"""Characters of the longest way to write an IPv6 address."""
_KEPT_BITS = {4: 24, 6: 48}
_ROBOT = re.compile(
    # CUBOT makes telephones.
    r"(?<!cu)bots?(?![a-z])|crawl|spider|slurp|headless|phantomjs|lighthouse|"
    r"externalhit|mediapartners|inspectiontool|bingpreview|pingdom|uptime|"
    r"monitoring|scrapy|python-|aiohttp|httpx/|curl/|wget/|go-http-client|java/|"
    r"libwww|node-fetch|axios/|postmanruntime",
    re.IGNORECASE,
)
_CONSENT_LISTS = ("allowedConsentIds", "deniedConsentIds")


def find_address(
    context: Mapping[str, Any], peer: str | None, policy: IpPolicy
) -> tuple[str | None, bool]:
    """The address to store, and whether the context's own is none.

    `peer` is where the request came from, when that is the person's own device.
    """
    if policy == "drop":
        return None, False
    address, is_bad = peer, False
    if "ip" in context:
        given = context["ip"]
        if given in _UNWANTED:
            return None, False
        if is_address(given):
            address = given
        else:
            is_bad = True
    if policy == "truncate":
        address = _shortened(address)
    return address, is_bad


def with_policy(raw: Any, policy: IpPolicy) -> Any:
    """The event with its context's address as the policy allows, for all that follows.

    What is no address may hide one, so it goes too.
    """
    context = raw.get("context") if isinstance(raw, dict) else None
    if policy == "keep" or not isinstance(context, dict) or "ip" not in context:
        return raw
    if context["ip"] in _UNWANTED:
        return raw
    kept = {key: value for key, value in context.items() if key != "ip"}
    if policy == "truncate" and is_address(context["ip"]):
        kept["ip"] = truncate(context["ip"])
    return {**raw, "context": kept}


def is_address(text: Any) -> bool:
    """Whether this is an IPv4 or IPv6 address, written as standards write it."""
    return isinstance(text, str) and len(text) <= _LONGEST and _is_address(text)


@lru_cache(maxsize=4_096)
def _is_address(text: str) -> bool:
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        socket.inet_pton(family, text)
    except (OSError, ValueError):
        return False
    return True


@lru_cache(maxsize=4_096)
def truncate(text: str) -> str:
    """The address of the network: the first 24 bits of IPv4, 48 of IPv6."""
    address = ip_address(text)
    if address.version == 6 and address.ipv4_mapped:
        address = address.ipv4_mapped
    network = ip_network((address, _KEPT_BITS[address.version]), strict=False)
    return str(network.network_address)


def _shortened(address: str | None) -> str | None:
    return truncate(address) if address and is_address(address) else address


@lru_cache(maxsize=4_096)
def is_robot(user_agent: str) -> bool:
    """Whether a program that is no browser gives itself away by its name."""
    return _ROBOT.search(user_agent) is not None


def is_consent_malformed(context: Mapping[str, Any]) -> bool:
    """Whether consent is spoken of in a way that cannot be read; then there is none."""
    consent = context.get("consent")
    if consent is not None:
        if not isinstance(consent, dict):
            return True
        choices = consent.get("categoryPreferences")
        if choices is not None and not (
            isinstance(choices, dict)
            and all(isinstance(choice, bool) for choice in choices.values())
        ):
            return True
    managed = context.get("consentManagement")
    if managed is None:
        return False
    return not isinstance(managed, dict) or not all(
        _is_list_of_text(managed.get(name, [])) for name in _CONSENT_LISTS
    )


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
