"""`kith audience freeze`: who was in an audience, kept as a cohort."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from typing import Annotated

import typer

from orchestration.cli.output import out, print_json
from orchestration.cli.problems import Problem


def freeze(
    audience: Annotated[
        str,
        typer.Argument(
            help="The audience; its log counts, so it may be gone by now.",
            show_default=False,
        ),
    ],
    as_of: Annotated[
        str,
        typer.Option(
            "--as-of",
            help="The time, ISO 8601; UTC unless it says otherwise.",
            show_default=False,
        ),
    ],
    name: Annotated[
        str, typer.Option(help="Name of the cohort, snake_case.", show_default=False)
    ],
    keep: Annotated[
        str,
        typer.Option(
            help="Traits whose values are kept at the first build, joined by commas."
        ),
    ] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the cohort as one JSON object.")
    ] = False,
) -> None:
    """Write a cohort: an audience of those who were members at some time.

    For example: kith audience freeze vip_customers --as-of 2026-11-01
    --name autumn_vips --keep lifetime_value
    """
    from orchestration.audiences import freeze as cohorts
    from orchestration.conditions.catalogue import read_catalogue
    from orchestration.project import DBT_PROJECT, ROOT, data_dir, prepare_manifest
    from profiles.published import connect
    from profiles.settings import ProfilesSettings

    catalogue = read_catalogue(prepare_manifest(data_dir()))
    with connect(ProfilesSettings().published_dir) as published:
        cohort = cohorts.freeze(
            audience,
            as_of=_time(as_of),
            name=name,
            keep=[trait.strip() for trait in keep.split(",") if trait.strip()],
            owner=getpass.getuser(),
            catalogue=catalogue,
            published=published,
            project_dir=DBT_PROJECT,
        )
    files = [str(file.relative_to(ROOT)) for file in cohort.files]
    if as_json:
        print_json(
            {
                "cohort": cohort.name,
                "audience": cohort.audience,
                "as_of": cohort.as_of.isoformat(),
                "members": cohort.members,
                "files": files,
            }
        )
        return
    for file in files:
        out.print(f"wrote {file}", markup=False)
    out.print(f"{cohort.members:,} were in {cohort.audience} as of then", markup=False)
    out.print(f"now run: ./kith build --select {cohort.name}+", markup=False)


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Problem(
            f"--as-of '{text}' is no time; write 2026-11-01 or 2026-11-01T10:00:00Z"
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
