"""Authentication that a plain header cannot say: Basic, and OAuth 2.0 tokens.

A key or a fixed token is a header of the manifest. OAuth's tokens are fetched when the
first request needs one and forgotten with the run; the secrets that they are fetched
with are the account's settings.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any, Literal

from pydantic import PrivateAttr, model_validator

from activations.calls import FORM, form_bytes
from activations.client import Call, Client
from activations.errors import AuthenticationError
from activations.responses import Part
from activations.templates import Renderer, compile_value

_LEEWAY_SECONDS = 60
"""A token is renewed so long before it ends."""
_USUAL_SECONDS = 3600
_MOST_SECONDS = 86_400
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class BasicAuth(Part):
    """User and password, as HTTP's Basic scheme (RFC 7617) sends them."""

    user: str
    password: str = ""
    _user: Renderer = PrivateAttr()
    _password: Renderer = PrivateAttr()

    @model_validator(mode="after")
    def _compile(self) -> BasicAuth:
        self._user = compile_value(self.user, names=("settings",))
        self._password = compile_value(self.password, names=("settings",))
        return self

    def header(self, settings: dict[str, Any]) -> str:
        context = {"settings": settings}
        return basic(str(self._user(context)), str(self._password(context)))


class ServiceAccount(Part):
    """An account of a program, whose key signs the request for a token (RFC 7523).

    `key` is the key file's JSON as Google gives it: client_email, private_key_id and
    private_key in PEM.
    """

    key: str
    scope: str
    _key: Renderer = PrivateAttr()

    @model_validator(mode="after")
    def _compile(self) -> ServiceAccount:
        self._key = compile_value(self.key, names=("settings",))
        return self

    def assertion(self, settings: dict[str, Any], audience: str) -> str | None:
        """What proves to `audience` who asks; None where the account has no key."""
        key = self._key({"settings": settings})
        if key is None:
            return None
        # It takes a tenth of a second to import, and few accounts need it.
        import jwt

        now = int(time.time())
        try:
            known = json.loads(key)
            claims = {"iss": known["client_email"], "scope": self.scope}
            key_id = known.get("private_key_id")
            times = {"aud": audience, "iat": now, "exp": now + _USUAL_SECONDS}
            return jwt.encode(
                claims | times,
                known["private_key"],
                algorithm="RS256",
                headers={"kid": key_id} if key_id else None,
            )
        except (
            ValueError,
            TypeError,
            KeyError,
            AttributeError,  # a public key has no way to sign
            jwt.PyJWTError,
        ) as error:
            raise AuthenticationError(
                "The key of the service account is not the JSON of a key file with "
                f"client_email and private_key ({type(error).__name__})."
            ) from None


class OAuth2(Part):
    """An access token by client credentials or a refresh token (RFC 6749, 4.4 and 6).

    `send_as` says whether the client's id and secret go in the body or as Basic. An
    account that has the key of its `service_account` asks by that instead.
    """

    token_url: str
    grant: Literal["client_credentials", "refresh_token"]
    client_id: str
    client_secret: str
    refresh_token: str | None = None
    scope: str | None = None
    send_as: Literal["body", "basic"] = "body"
    service_account: ServiceAccount | None = None
    _fields: Renderer = PrivateAttr()

    @model_validator(mode="after")
    def _compile(self) -> OAuth2:
        if (self.grant == "refresh_token") != (self.refresh_token is not None):
            raise ValueError("'refresh_token' goes with the grant 'refresh_token'.")
        names = ("token_url", "client_id", "client_secret", "refresh_token", "scope")
        fields = {name: getattr(self, name) for name in names}
        self._fields = compile_value(fields, names=("settings",))
        return self

    def call(self, settings: dict[str, Any]) -> Call:
        """The request for a token."""
        fields = self._fields({"settings": settings})
        url = str(fields.pop("token_url"))
        headers = {"Content-Type": FORM}
        if self.service_account is not None:
            assertion = self.service_account.assertion(settings, url)
            if assertion is not None:
                proof = {"grant_type": _JWT_BEARER, "assertion": assertion}
                return Call("POST", url, headers=headers, body=form_bytes(proof))
        self._require(fields)
        if self.send_as == "basic":
            user, password = fields.pop("client_id"), fields.pop("client_secret")
            headers["Authorization"] = basic(user, password)
        body = form_bytes({"grant_type": self.grant, **fields})
        return Call(method="POST", url=url, headers=headers, body=body)

    def _require(self, fields: dict[str, Any]) -> None:
        """Refuse to ask without what the grant needs."""
        needed = ["client_id", "client_secret"]
        if self.grant == "refresh_token":
            needed.append("refresh_token")
        if missing := [name for name in needed if fields[name] is None]:
            other = ", or the key of a service account" if self.service_account else ""
            raise AuthenticationError(
                f"Nobody could ask for a token: set {', '.join(missing)}{other}."
            )


class Auth(Part):
    """How a tool is told who asks."""

    basic: BasicAuth | None = None
    oauth2: OAuth2 | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Auth:
        if (self.basic is None) == (self.oauth2 is None):
            raise ValueError("needs either 'basic' or 'oauth2'.")
        return self


class Tokens:
    """The access token of an account, fetched when needed; one for all requests."""

    def __init__(
        self, oauth2: OAuth2, settings: dict[str, Any], client: Client
    ) -> None:
        self._oauth2 = oauth2
        self._settings = settings
        self._client = client
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._ends_at = 0.0

    async def token(self, *, instead_of: str | None = None) -> str:
        """A token that should be accepted; another than `instead_of`, which was not."""
        async with self._lock:
            is_old = time.monotonic() >= self._ends_at
            if self._token is None or is_old or self._token == instead_of:
                await self._fetch()
            assert self._token is not None, "just fetched"  # noqa: S101 - tells mypy
            return self._token

    async def _fetch(self) -> None:
        answer = await self._client.send(self._oauth2.call(self._settings))
        data = answer.data if isinstance(answer.data, dict) else {}
        token = data.get("access_token")
        if answer.status != 200 or not isinstance(token, str):
            reason = data.get("error_description") or data.get("error") or "no token"
            raise AuthenticationError(
                f"No access token could be got ({answer.status}): {reason}"
            )
        seconds = data.get("expires_in")
        if not isinstance(seconds, int | float):
            seconds = _USUAL_SECONDS
        seconds = min(seconds, _MOST_SECONDS)
        self._token = token
        self._ends_at = time.monotonic() + max(seconds - _LEEWAY_SECONDS, 1)


def basic(user: str, password: str) -> str:
    """The header of HTTP's Basic scheme."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
