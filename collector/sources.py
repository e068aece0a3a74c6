"""Sources: who may send events, found by write key.

A write key is compared by its SHA-256, so neither this process nor `sources.yml` needs
to hold it, and the time a lookup takes says nothing about the keys.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from collector import source_file
from collector.errors import SourcesError
from collector.source_file import Entry, Kind, Limits
from collector.webhook import Signature, Webhook, load_function

DEVELOPMENT_KEY = "KITH_WRITE_KEY"


@dataclass(frozen=True)
class Source:
    """One place events come from; `name` is stored as `source_id`."""

    name: str
    kind: Kind
    enabled: bool = True
    allowed_origins: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)
    region: str | None = None
    region_url: str | None = None
    """Where the collector of its region is, when `sources.yml` says so."""
    webhook: Webhook | None = None

    @property
    def is_client(self) -> bool:
        """Whether the request comes from the person's own device."""
        return self.kind in ("browser", "mobile")

    def allows_origin(self, origin: str | None) -> bool:
        """Whether pages of this origin may send; a request without one is no page's."""
        if origin is None or not self.allowed_origins:
            return True
        origin = origin.lower()
        for allowed in self.allowed_origins:
            scheme, star, domain = allowed.partition("*")
            if star and origin.startswith(scheme) and origin.endswith(domain):
                return True
            if origin == allowed:
                return True
        return False


class Sources:
    """All sources: by the hash of their write key, and by name."""

    def __init__(
        self, by_hash: Mapping[bytes, Source], by_name: Mapping[str, Source]
    ) -> None:
        self._by_hash = dict(by_hash)
        self._by_name = dict(by_name)
        self._by_key: dict[bytes, Source] = {}

    def find(self, write_key: bytes) -> Source | None:
        """The source of this write key, or None."""
        if known := self._by_key.get(write_key):
            return known
        source = self._by_hash.get(hashlib.sha256(write_key).digest())
        if source is not None:
            self._by_key[write_key] = source
        return source

    def named(self, name: str) -> Source | None:
        """The source of this name, or None."""
        return self._by_name.get(name)


def load_sources(path: Path, *, environ: Mapping[str, str]) -> Sources:
    """Read `sources.yml`; raises `SourcesError` that lists all its problems."""
    problems: list[str] = []
    by_hash: dict[bytes, Source] = {}
    by_name: dict[str, Source] = {}
    file = source_file.read(path)
    for name, entry in file.sources.items():
        where = f"{path}: sources.{name}"
        try:
            source = _source(name, entry, path.parent, environ)
            if url := file.regions.get(entry.region or ""):
                source = replace(source, region_url=url)
            by_name[name] = source
            digest = _digest(entry, environ)
        except SourcesError as error:
            problems.append(f"{where}{error}")
            continue
        if digest in by_hash:
            problems.append(
                f"{where} has the same write key as sources.{by_hash[digest].name}. "
                "Give each source its own."
            )
        elif digest is not None:
            by_hash[digest] = source
    if problems:
        raise SourcesError("\n".join(problems))
    return Sources(by_hash, by_name)


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


def _source(
    name: str, entry: Entry, directory: Path, environ: Mapping[str, str]
) -> Source:
    webhook = None
    if entry.kind == "webhook":
        signature = None
        if setting := entry.signature:
            secret = _variable(setting.secret_env, environ, "signature.secret_env")
            signature = Signature(
                header=setting.header.lower(),
                secret=secret.encode(),
                encoding=setting.encoding,
                prefix=setting.prefix,
            )
        events = load_function(directory / "webhooks" / f"{name}.py")
        webhook = Webhook(events=events, signature=signature)
    return Source(
        name=name,
        kind=entry.kind,
        enabled=entry.enabled,
        allowed_origins=tuple(origin.lower() for origin in entry.allowed_origins),
        limits=entry.limits,
        region=entry.region,
        webhook=webhook,
    )


def _digest(entry: Entry, environ: Mapping[str, str]) -> bytes | None:
    if entry.write_key_sha256 is not None:
        return bytes.fromhex(entry.write_key_sha256)
    if entry.write_key_env is None:
        return None
    key = _variable(entry.write_key_env, environ, "write_key_env")
    return hashlib.sha256(key.encode()).digest()


def _variable(name: str, environ: Mapping[str, str], field_name: str) -> str:
    if value := environ.get(name):
        return value
    hint = " Set it, or use write_key_sha256." if field_name == "write_key_env" else ""
    raise SourcesError(
        f".{field_name}: the environment variable {name} is not set or empty.{hint}"
    )
