"""Builds keep which value a trait had from when to when."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from tests.dbt.conftest import Project, event_row
from tests.dbt.test_audiences import ordered, profile_of

SELECTION = ("--select", "+trait_history")
# Where nothing above it has changed.
ALONE = ("--select", "trait_changes+")


def history(project: Project, profile_id: str, trait: str) -> list[tuple[Any, ...]]:
    """Values with whether they still hold; each begins where the one before ends."""
    rows = project.query(
        f"""
        select value, valid_from, valid_to from profiles.trait_history
        where profile_id = '{profile_id}' and trait = '{trait}' order by valid_from
        """  # noqa: S608 -- an id that the warehouse made
    )
    for (_, _, ended), (_, began, _) in pairwise(rows):
        assert ended <= began
    return [(value, ended is None) for value, _, ended in rows]


def test_what_a_trait_was_is_kept_build_after_build(project: Project) -> None:
    """Ada orders twice, moves, and turns out to be the owner of another profile."""
    says = event_row(type="identify", minute=1, user_id="ada", traits={"country": "DE"})
    project.land(
        [says, ordered(2, user_id="ada"), ordered(3, anonymous_id="phone")], segment="a"
    )
    project.dbt("run", *SELECTION)
    ada, phone = profile_of(project, "ada"), profile_of(project, "phone")
    assert history(project, ada, "lifetime_value") == [("10.00", True)]
    assert history(project, ada, "country") == [("DE", True)]
    assert history(project, phone, "country") == []

    project.dbt("run", *ALONE)
    [(logged,)] = project.query("select count(*) from profiles.trait_changes")
    assert logged == 3

    moves = event_row(
        type="identify",
        minute=9,
        user_id="ada",
        anonymous_id="phone",
        traits={"country": "FR"},
    )
    project.land([ordered(8, user_id="ada"), moves], segment="b")
    project.dbt("run", *SELECTION)
    assert profile_of(project, "phone") == profile_of(project, "ada") == ada
    assert history(project, ada, "lifetime_value") == [
        ("10.00", False),
        ("30.00", True),
    ]
    assert history(project, ada, "country") == [("DE", False), ("FR", True)]
    assert history(project, phone, "lifetime_value") == [("10.00", False)]

    project.dbt("run", "--full-refresh", *ALONE)
    assert history(project, ada, "country") == [("DE", False), ("FR", True)]

    # What is kept no longer stays as it was; what is new begins with this build.
    kept = ("--vars", "{trait_history: [order_count]}")
    before = project.query("select * from profiles.trait_changes order by all")
    project.dbt("run", *ALONE, *kept, vars_matter_to_parsing=False)
    after = project.query("select * from profiles.trait_changes order by all")
    new = set(after) - set(before)
    assert set(before) < set(after)
    assert [(trait, value) for _, trait, value, _ in new] == [("order_count", "3")]
