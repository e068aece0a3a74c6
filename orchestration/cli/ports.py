"""Says in words that a port is taken, before a server says it in its own way."""

from __future__ import annotations

import socket

from orchestration.cli.problems import Problem


def require_free(host: str, port: int, *, variable: str) -> None:
    """Raise `Problem` unless a server could listen there; `variable` is its setting."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Problem(
                f"cannot listen on {host}:{port}: {error.strerror}. "
                f"{variable} chooses another port."
            ) from None
