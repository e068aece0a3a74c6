"""Settings of the Profile API, from `KITH_*` environment variables.

Every one has a default that works on a fresh machine; `README.md` lists them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Token = Annotated[SecretStr, Field(min_length=16)]


class ProfilesSettings(BaseSettings):
    """Where the Profile API listens, what it reads, and who may read it."""

    model_config = SettingsConfigDict(env_prefix="KITH_", env_ignore_empty=True)

    data_dir: Path = Path("data")
    profiles_host: str = "127.0.0.1"
    profiles_port: Annotated[int, Field(ge=0, le=65535)] = 8011
    profiles_token: Token | None = None
    """Unset, a token is generated on the first start and kept in `token_file`."""

    @property
    def published_dir(self) -> Path:
        """The published databases."""
        return self.data_dir / "published"

    @property
    def token_file(self) -> Path:
        """The generated token, readable by its owner only."""
        return self.data_dir / "secrets" / "profiles_token"
