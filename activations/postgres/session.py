"""Connections to a Postgres server, and what its errors mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import certifi
import psycopg

from activations.egress import allowed_addresses
from activations.errors import (
    AuthenticationError,
    DestinationRefused,
    EgressDenied,
)
from activations.retries import TryAgain

Connection = psycopg.Connection[tuple[Any, ...]]

CONNECT_SECONDS = 15
# One statement moves up to a batch; a lock that is held longer is somebody's mistake.
_SETTINGS = """
    set local timezone = 'UTC';
    set local datestyle = 'ISO';
    set local statement_timeout = '10min';
    set local lock_timeout = '1min'
"""
OF_A_RECORD = ("21", "22", "23", "44", "54", "P0")
"""Classes of SQLSTATE that tell of a row: its value, a constraint, a trigger's word."""
_PASSES = ("08", "40", "53", "55", "57", "58")
_OF_THE_CREDENTIAL = re.compile(
    "authentication failed|no password supplied|no pg_hba.conf entry|"
    'role ".*" (does not exist|is not permitted)'
)
_OF_THE_ADDRESS = re.compile(
    'certificate|does not support SSL|permission denied|database ".*" does not exist'
)


def connect(settings: Mapping[str, Any], *, private_network: bool) -> Connection:
    """A connection to a judged address; nothing of the environment takes part."""
    host, port = str(settings["host"]), int(settings["port"])
    sslmode = str(settings["sslmode"])
    if sslmode != "verify-full" and not private_network:
        raise EgressDenied(
            f"sslmode '{sslmode}' does not prove who answers, so it is for private "
            "networks: an account says `private_network: true` to use it."
        )
    addresses = allowed_addresses(host, port, private_network=private_network)
    try:
        connection = psycopg.connect(
            # libpq tries these addresses; the name is only for the certificate.
            host=",".join([host] * len(addresses)),
            hostaddr=",".join(str(address) for address in addresses),
            port=port,
            dbname=str(settings["database"]),
            user=str(settings["user"]),
            password=settings["password"] or "",
            passfile="/dev/null",
            **_security(sslmode, settings["ca_file"]),
            gssencmode="disable",
            target_session_attrs="read-write",
            connect_timeout=CONNECT_SECONDS,
            keepalives_idle=10,
            tcp_user_timeout=60_000,
            application_name="kith",
            client_encoding="utf8",
            # A pooler between us may give each transaction another server process.
            prepare_threshold=None,
        )
    except psycopg.OperationalError as error:
        raise not_connected(error) from None
    return connection


def begin(connection: Connection) -> None:
    """Begin the one transaction of the connection."""
    # By statements: poolers do not pass the options of a connection on.
    connection.execute(_SETTINGS)


def _security(sslmode: str, ca_file: str | None) -> dict[str, Any]:
    if sslmode == "verify-full":
        return {"sslmode": sslmode, "sslrootcert": ca_file or certifi.where()}
    # Whoever cannot prove a name is never sent a password in clear.
    return {"sslmode": sslmode, "require_auth": "!password"} | (
        {"sslrootcert": ca_file} if ca_file else {}
    )


def not_connected(error: psycopg.OperationalError) -> Exception:
    """libpq tells no SQLSTATE of a connection that was not made, only words."""
    text = " ".join(str(error).split())
    if _OF_THE_CREDENTIAL.search(text):
        return AuthenticationError(f"Postgres does not accept the credential: {text}")
    if _OF_THE_ADDRESS.search(text):
        return DestinationRefused(text)
    return TryAgain(text, code="connection")


def is_of_a_record(error: psycopg.Error) -> bool:
    """Whether the server refuses a value, and would take other rows."""
    return (error.sqlstate or "")[:2] in OF_A_RECORD


def explained(error: psycopg.Error) -> Exception:
    """What happens next after an error that is not of a record."""
    state = error.sqlstate or ""
    text = describe(error)
    if not state or state[:2] in _PASSES:
        return TryAgain(text, code=state or "connection")
    if state[:2] == "28":
        return AuthenticationError(f"Postgres does not accept the credential: {text}")
    return DestinationRefused(f"Postgres refuses: {text}")


def describe(error: psycopg.Error) -> str:
    """The server's sentence; without its detail, which quotes whole rows."""
    return error.diag.message_primary or " ".join(str(error).split())
