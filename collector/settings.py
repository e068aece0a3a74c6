"""Settings of the collector, from `KITH_*` environment variables.

Every one has a default that works on a fresh machine; `README.md` lists them.
"""

from __future__ import annotations

import shutil
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from collector.device import IpPolicy
from collector.raw_url import check_url, directory

if TYPE_CHECKING:
    from collector.object_storage import RawPlace

Seconds = Annotated[float, Field(gt=0)]
Bytes = Annotated[int, Field(gt=0)]


def _split(value: Any) -> Any:
    """A list written as one variable: its items are separated by commas."""
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


class CollectorSettings(BaseSettings):
    """Where the collector listens, where it keeps its log, and what it accepts."""

    model_config = SettingsConfigDict(env_prefix="KITH_")

    data_dir: Path = Path("data")
    raw_url: Annotated[str, AfterValidator(check_url)] = ""
    """Where the raw datasets are, `s3://bucket/prefix`; unset, `raw/` in `data_dir`."""
    sources: Path = Path("collector/sources.yml")
    plan: Path | None = None
    """The manifest of dbt to flag events by; unset, only the warehouse checks them."""
    collector_host: str = "127.0.0.1"
    collector_port: Annotated[int, Field(ge=0, le=65535)] = 8010
    path_prefix: Annotated[str, Field(pattern=r"^(\*|(/[\w.~-]+)+)?$")] = ""
    """Paths may start with it; `*` stands for any."""
    public_url: Annotated[str, Field(pattern=r"^(https?://[\w.:\[\]-]+)?$")] = ""
    """How browsers reach the collector; unset, their Host header is believed."""
    trusted_proxies: Annotated[
        tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_split)
    ] = ()
    """Networks, separated by commas, whose X-Forwarded-For is believed."""
    region: str = ""
    """Where this collector stores; sources of another region are refused with 421."""
    collector_workers: Annotated[int, Field(ge=1)] = 1

    max_event_bytes: Bytes = 32_768
    max_batch_bytes: Bytes = 4_000_000
    """No client splits a refused batch, and one of them sends up to 4 MB."""
    max_import_bytes: Bytes = 16_000_000
    """A body of /v1/import, which brings history in larger pieces."""
    max_batch_events: Annotated[int, Field(gt=0)] = 2_500
    ip_addresses: IpPolicy = "keep"
    """How much of a person's IP address is stored: keep, truncate or drop."""
    header_seconds: Seconds = 10.0
    """A connection that takes longer than this to send its headers is closed."""
    body_seconds: Seconds = 30.0
    """A request body that takes longer than this to arrive is refused with 408."""

    segment_seconds: Seconds = 5.0
    """A log segment is sealed, and so can be landed, at this age..."""
    segment_bytes: Bytes = 16_000_000
    """... or at this size on disk, whichever comes first."""
    pending_bytes: Bytes = 64_000_000
    """Events that wait for their fsync; above it new ones are answered 429."""

    inflight_bytes: Bytes = 32_000_000
    """Bodies of requests being worked on, counted as they are read; as above."""
    queue_seconds: Seconds = 0.5
    """A request that waits longer than this to be worked on is answered 429."""
    min_free_bytes: Annotated[int, Field(ge=0)] | None = None
    """Free bytes that the disk of the log must keep, else new events are answered 429;
    by default 1 GB or 5 % of the disk, whichever is more."""
    ack_seconds: Seconds = 10.0
    """A sync that takes longer than this makes new events be answered 429."""
    max_connections: Annotated[int, Field(gt=0)] = 1_024
    """Open connections of one worker; more wait until one closes."""
    drain_seconds: Annotated[float, Field(ge=0)] = 1.0
    """On SIGTERM: how long `/ready` says no before the port is closed."""

    def low_water_bytes(self) -> int:
        """The free bytes that the disk of the log must keep."""
        if self.min_free_bytes is not None:
            return self.min_free_bytes
        return max(1_000_000_000, shutil.disk_usage(self.data_dir).total // 20)

    @property
    def log_dir(self) -> Path:
        """The durable log: one sub-directory per worker."""
        return self.data_dir / "log"

    @property
    def raw_dir(self) -> Path | None:
        """The directory of the raw datasets; None when they are on object storage."""
        return directory(self.raw_url) if self.raw_url else self.data_dir / "raw"

    def raw_place(self) -> RawPlace:
        """Where the raw datasets are: a directory, or object storage."""
        # Here and not above: HTTP workers need no Arrow.
        from collector.object_storage import object_storage

        return self.raw_dir or object_storage(self.raw_url)

    @property
    def secrets_dir(self) -> Path:
        """Generated secrets of a development machine, readable by their owner only."""
        return self.data_dir / "secrets"


def wrong_settings(error: ValidationError) -> str:
    """What is wrong with which variable, one a line."""
    return "\n".join(
        f"KITH_{'_'.join(map(str, problem['loc'])).upper()}: {problem['msg']}"
        for problem in error.errors()
    )
