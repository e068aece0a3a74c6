"""Sources: who may send events, found by write key.

A write key is compared by its SHA-256, so neither this process nor `sources.yml` needs
to hold it, and the time a lookup takes says nothing about the keys.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from collector.errors import SourcesError

Kind = Literal["server", "browser", "mobile"]
SourceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
DEVELOPMENT_KEY = "KITH_WRITE_KEY"


@dataclass(frozen=True)
class Source:
    """One place events come from; `name` is stored as `source_id`."""

    name: str
    kind: Kind
    enabled: bool

    @property
    def is_client(self) -> bool:
        """Whether the request comes from the person's own device."""
        return self.kind != "server"


class Sources:
    """All sources, by the hash of their write key."""

    def __init__(self, by_hash: Mapping[bytes, Source]) -> None:
        self._by_hash = dict(by_hash)

    def find(self, write_key: bytes) -> Source | None:
        """The source of this write key, or None."""
        return self._by_hash.get(hashlib.sha256(write_key).digest())


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    write_key_env: str | None = None
    write_key_sha256: Sha256 | None = None
    kind: Kind
    enabled: bool = True

    @model_validator(mode="after")
    def _one_key(self) -> _Entry:
        if (self.write_key_env is None) == (self.write_key_sha256 is None):
            raise ValueError("give exactly one of write_key_env and write_key_sha256")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sources: Annotated[dict[SourceName, _Entry], Field(min_length=1)]


def load_sources(path: Path, *, environ: Mapping[str, str]) -> Sources:
    """Read `sources.yml`; raises `SourcesError` that lists all its problems."""
    file = _parse(path)
    problems: list[str] = []
    by_hash: dict[bytes, Source] = {}
    for name, entry in file.sources.items():
        source = Source(name=name, kind=entry.kind, enabled=entry.enabled)
        digest = _digest(entry, environ)
        if digest is None:
            problems.append(
                f"{path}: sources.{name}.write_key_env: the environment variable "
                f"{entry.write_key_env} is not set or empty. Set it, or use "
                "write_key_sha256."
            )
        elif digest in by_hash:
            problems.append(
                f"{path}: sources.{name} has the same write key as "
                f"sources.{by_hash[digest].name}. Give each source its own."
            )
        else:
            by_hash[digest] = source
    if problems:
        raise SourcesError("\n".join(problems))
    return Sources(by_hash)


def ensure_development_key(secrets_dir: Path) -> tuple[str, bool]:
    """The development write key, and whether it was made just now.

    It is `KITH_WRITE_KEY` when that is set; otherwise it is kept in a file that only
    its owner can read, generated on first use.
    """
    if key := os.environ.get(DEVELOPMENT_KEY):
        return key, False
    file = secrets_dir / "write_key"
    if file.exists():
        return file.read_text().strip(), False
    secrets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = secrets.token_urlsafe(24)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(key + "\n")
    return key, True


def _parse(path: Path) -> _File:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourcesError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SourcesError(f"{path}: is not valid YAML: {error}") from None
    try:
        return _File.model_validate(document)
    except ValidationError as error:
        lines = (
            f"{path}: {'.'.join(map(str, problem['loc'])) or 'file'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise SourcesError("\n".join(lines)) from None


def _digest(entry: _Entry, environ: Mapping[str, str]) -> bytes | None:
    if entry.write_key_sha256 is not None:
        return bytes.fromhex(entry.write_key_sha256)
    key = environ.get(entry.write_key_env or "", "")
    return hashlib.sha256(key.encode()).digest() if key else None
