"""The Profile API's token: where it comes from, and whether a request carries it."""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
from pathlib import Path

from profiles.settings import ProfilesSettings


def read_token(settings: ProfilesSettings) -> str:
    """The token of `KITH_PROFILES_TOKEN`, else the generated one; made when missing."""
    if settings.profiles_token is not None:
        return settings.profiles_token.get_secret_value()
    if not settings.token_file.exists():
        _generate(settings.token_file)
    return settings.token_file.read_text("ascii").strip()


def is_authorized(authorization: str, *, token: str) -> bool:
    """Whether an `Authorization` header carries `token`.

    It may be a bearer token, or the user name of Basic with any password, as the
    clients of other profile APIs send it.
    """
    scheme, _, credentials = authorization.partition(" ")
    match scheme.lower():
        case "bearer":
            given = credentials.strip().encode("latin-1")
        case "basic":
            given = _basic_user(credentials.strip())
        case _:
            return False
    return hmac.compare_digest(given, token.encode())


def _basic_user(credentials: str) -> bytes:
    try:
        decoded = base64.b64decode(credentials, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return decoded.partition(b":")[0]


def _generate(token_file: Path) -> None:
    """Put a new token in place at once, unless another process was faster."""
    token_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    written = token_file.with_name(f".{token_file.name}.{os.getpid()}")
    written.unlink(missing_ok=True)
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        token_file.hardlink_to(written)
    except FileExistsError:
        pass
    finally:
        written.unlink()
