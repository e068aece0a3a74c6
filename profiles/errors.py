"""What can keep the read side from publishing and reading."""

from __future__ import annotations

from pathlib import Path

CURRENT = "current.duckdb"


class PublishedDatabaseMissing(Exception):
    """Nothing was published yet; a build has to succeed first."""

    def __init__(self, published_dir: Path) -> None:
        super().__init__(
            f"{published_dir / CURRENT} does not exist: nothing was published yet. "
            "Run `./kith build`."
        )


class PublishError(Exception):
    """The warehouse could not be published; the last published build stays."""
