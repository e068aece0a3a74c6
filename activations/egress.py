"""Which addresses may be talked to, checked on the address that is connected to.

A destination's URL comes from a file, but the name in it may resolve to anything: to
this machine, to a neighbour, to the address where a cloud hands out credentials. So
the name is resolved once, every address it gives is judged, and the connection is made
to one of those very addresses. An account that sets `private_network: true` may reach
this machine and private networks; the rest stays closed to it too.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

import httpcore

from activations.errors import EgressDenied
from activations.retries import TryAgain

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Opened by `private_network: true`.
_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
    )
)
# Never opened: metadata services, link-local, multicast, reserved, documentation.
_CLOSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",
        "2001:db8::/32",
        "fd00:ec2::254/128",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.ip_network("::/96")
_METADATA_NAMES = ("metadata.google.internal", "metadata.goog", "metadata")
_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".home.arpa")


def embedded(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that only carries it; else the address."""
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    number = int(address)
    carried = address in _NAT64 or (address in _IPV4_COMPATIBLE and number > 1)
    return ipaddress.IPv4Address(number & 0xFFFFFFFF) if carried else address


def is_allowed(address: Address, *, private_network: bool) -> bool:
    """Whether a destination may be at this address."""
    address = embedded(address)
    if any(address in network for network in _CLOSED):
        return False
    if any(address in network for network in _PRIVATE):
        return private_network
    return True


def check_url(scheme: str, host: str, port: int, *, private_network: bool) -> None:
    """Refuse what the URL alone shows to be wrong, before any name is resolved."""
    if scheme != "https" and not (scheme == "http" and private_network):
        raise EgressDenied(
            f"'{scheme}://{host}' is not https. Plain http is for private networks: "
            "an account says `private_network: true` to use it."
        )
    if port not in (80, 443) and port < 1024:
        raise EgressDenied(
            f"{host}:{port} is not a port of a web server. "
            "Ports: 80, 443, 1024 and above."
        )
    check_host(host, private_network=private_network)


def check_host(host: str, *, private_network: bool) -> None:
    """Refuse what the host's name or literal address alone shows to be wrong."""
    name = host.lower().rstrip(".")
    if name in _METADATA_NAMES:
        raise EgressDenied(f"'{host}' is a metadata service.")
    is_local = name == "localhost" or name.endswith(_PRIVATE_SUFFIXES)
    if is_local and not private_network:
        raise EgressDenied(_denied(host, None))
    try:
        address = ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return
    if not is_allowed(address, private_network=private_network):
        raise EgressDenied(_denied(host, address))


def allowed_addresses(host: str, port: int, *, private_network: bool) -> list[Address]:
    """Every address of `host`; one that is not allowed refuses them all.

    Raises `TryAgain` where there is none. What is not HTTP connects to one of these,
    never to the name.
    """
    if host.startswith("/"):
        raise EgressDenied(f"egress_denied: '{host}' is a socket of this machine.")
    check_host(host, private_network=private_network)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        message = f"'{host}' does not resolve: {error}"
        raise TryAgain(message, code="connection") from None
    return _judged(host, found, private_network=private_network)


def open_connection(
    host: str, port: int, *, private_network: bool, seconds: float
) -> socket.socket:
    """A TCP connection to `host`, at an address that was judged."""
    failure: OSError | None = None
    for address in allowed_addresses(host, port, private_network=private_network):
        try:
            return socket.create_connection((str(address), port), timeout=seconds)
        except OSError as error:
            failure = error
    raise TryAgain(f"no connection to {host}:{port}: {failure}", code="connection")


def _judged(
    host: str, found: Iterable[tuple[Any, ...]], *, private_network: bool
) -> list[Address]:
    addresses = [
        # A scope (`fe80::1%eth0`) names the link, not the address.
        ipaddress.ip_address(str(entry[4][0]).partition("%")[0])
        for entry in found
    ]
    for address in addresses:
        if not is_allowed(address, private_network=private_network):
            raise EgressDenied(_denied(host, address))
    return list(dict.fromkeys(addresses))


def _denied(host: str, address: Address | None) -> str:
    found = f"'{host}'" + (f" is {address}, which" if address else "")
    return (
        f"egress_denied: {found} is private, local or reserved. An account that shall "
        "reach a private network says `private_network: true`; link-local, metadata "
        "and reserved addresses are never reached."
    )


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens TCP connections for httpcore, to addresses that were judged."""

    def __init__(self, *, private_network: bool) -> None:
        self._private_network = private_network
        self._backend = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self._resolve(host, port)
        failure: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in addresses:
            try:
                return await self._backend.connect_tcp(
                    str(address),
                    port,
                    timeout=timeout,
                    local_address=local_address,
                    socket_options=socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"'{host}' has no address.")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise EgressDenied(f"egress_denied: '{path}' is a socket of this machine.")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _resolve(self, host: str, port: int) -> list[Address]:
        """Every address of `host`; one that is not allowed refuses them all."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"'{host}' does not resolve: {error}") from None
        return _judged(host, found, private_network=self._private_network)
