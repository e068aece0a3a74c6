"""`KITH_RAW_URL`: where the raw datasets are, and what may stand in it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

OPTIONS: dict[str, frozenset[str]] = {
    "s3": frozenset(
        {
            "endpoint_override",
            "force_virtual_addressing",
            "region",
            "scheme",
            "tls_ca_file_path",
        }
    ),
    "gs": frozenset({"endpoint_override", "scheme"}),
    "file": frozenset(),
}
"""What may stand behind the `?` of a URL, by its scheme."""


def check_url(url: str) -> str:
    """The URL as it was; raises `ValueError` when it cannot be a place for raw data.

    An empty one stands for the directory that is the default.
    """
    if not url:
        return url
    parts = urlsplit(url)
    known = OPTIONS.get(parts.scheme)
    if known is None:
        raise ValueError(
            f"'{parts.scheme or url}' is no scheme that it knows; write "
            "s3://bucket/prefix, gs://bucket/prefix or file:///directory"
        )
    if "@" in parts.netloc:
        raise ValueError(
            "credentials do not belong into it; set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY"
        )
    if parts.scheme == "file" and (parts.netloc or not parts.path.startswith("/")):
        raise ValueError("a directory is written file:///with/its/whole/path")
    if parts.scheme != "file" and not parts.netloc:
        raise ValueError(f"it names no bucket; write {parts.scheme}://bucket/prefix")
    if unknown := sorted(options(url).keys() - known):
        raise ValueError(
            f"unknown options: {', '.join(unknown)}; {parts.scheme}:// knows "
            f"{', '.join(sorted(known)) or 'none'}"
        )
    return url


def directory(url: str) -> Path | None:
    """The directory that a checked URL names, or None when it names a bucket."""
    parts = urlsplit(url)
    return Path(parts.path) if parts.scheme == "file" else None


def options(url: str) -> dict[str, str]:
    """What stands behind the `?` of a URL."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
