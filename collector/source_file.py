"""The shape of `sources.yml`: what may stand in it, and what is wrong when it does not.

An unknown or repeated key is a mistake: a misspelt `enabled: false` must not leave a
source open.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from collector import strict_yaml
from collector.errors import SourcesError

Kind = Literal["server", "browser", "mobile", "webhook"]
SourceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Origin = Annotated[
    str, Field(pattern=r"(?i)^https?://(\*\.)?[a-z0-9.-]+(:[0-9]{1,5})?$")
]
Url = Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$")]
Region = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
Count = Annotated[int, Field(gt=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Limits(_Strict):
    """What one source may send; what is not given is the collector's own limit."""

    event_bytes: Count | None = None
    batch_bytes: Count | None = None
    batch_events: Count | None = None
    requests_per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = (
        None
    )


class SignatureSetting(_Strict):
    """How a webhook's sender signs its bodies with HMAC-SHA256."""

    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]
    secret_env: str
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""


class Entry(_Strict):
    """One source, as the file has it."""

    kind: Kind
    enabled: bool = True
    write_key_env: str | None = None
    write_key_sha256: Sha256 | None = None
    allowed_origins: tuple[Origin, ...] = ()
    limits: Limits = Limits()
    region: Region | None = None
    signature: SignatureSetting | None = None

    @model_validator(mode="after")
    def _one_credential(self) -> Entry:
        if self.signature is not None:
            if self.kind != "webhook":
                raise ValueError("only sources of kind webhook have a signature")
            if self.write_key_env or self.write_key_sha256:
                raise ValueError("give a signature or a write key, not both")
        elif (self.write_key_env is None) == (self.write_key_sha256 is None):
            raise ValueError("give exactly one of write_key_env and write_key_sha256")
        return self


class File(_Strict):
    """The whole file."""

    sources: Annotated[dict[SourceName, Entry], Field(min_length=1)]
    regions: dict[Region, Url] = {}
    """Where the collectors of other regions are."""


def read(path: Path) -> File:
    """The file, checked; raises `SourcesError` that lists all that is wrong in it."""
    try:
        document = strict_yaml.load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourcesError(f"{path}: cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SourcesError(f"{path}: is not valid YAML: {error}") from None
    except RecursionError:
        raise SourcesError(f"{path}: is nested too deep") from None
    try:
        return File.model_validate(document)
    except ValidationError as error:
        lines = (
            f"{path}: {'.'.join(map(str, problem['loc'])) or 'file'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise SourcesError("\n".join(lines)) from None
