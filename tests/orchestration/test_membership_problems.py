"""`kith check` tells every mistake about whom to contact and how old inputs may be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from orchestration.membership_problems import membership_problems

PROJECT = """\
name: shop
vars:
  control_group: {percent: 110, share: 1}
  priority_lists:
    promotions: [vips, vip]
    news:
      - readers
      - vips
  frequency_caps:
    - {cap: weekly, limit: 0, within_days: 7, syncs: [mirror, teller], events: [Order]}
    - cap: weekly
      limit: 2
      within_days: 1.5
      syncs: [mails, mail]
      per: week
  trait_history: [lifetime_value, contry, {country: text}]
"""
AUDIENCE = """\
models:
  - name: vips
    config:
      meta:
        splits:
          groups: {a: 50, holdout: 10}
          seed: x
          strata:
            - contry
            - lifetime_value
            - country
            - country
            - [plan]
            - email
"""
SCORES = """\
models:
  - name: scores
    config:
      meta:
        freshness:
          as_of: scored
          hold_after: two days
"""


COLUMNS = {
    "lifetime_value": {"data_type": "decimal(18, 2)"},
    "country": {"data_type": "varchar"},
    "email": {"data_type": "varchar", "config": {"meta": {"pii": "email"}}},
}


def node(name: str, meta: dict[str, Any], **overrides: Any) -> dict[str, Any]:
    materialized = overrides.pop("materialized", "table")
    return {
        "resource_type": "model",
        "name": name,
        "original_file_path": f"models/{name}.sql",
        "patch_path": f"shop://models/{name}.yml",
        "config": {"meta": meta, "materialized": materialized},
        "columns": {},
        **overrides,
    }


def problems(tmp_path: Path, project: str, *nodes: dict[str, Any]) -> list[str]:
    (tmp_path / "models").mkdir()
    (tmp_path / "dbt_project.yml").write_text(project)
    (tmp_path / "models/vips.yml").write_text(AUDIENCE)
    (tmp_path / "models/scores.yml").write_text(SCORES)
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"nodes": {one["name"]: one for one in nodes}}))
    return [
        line.removeprefix(f"{tmp_path.name}/")
        for line in membership_problems(manifest, tmp_path)
    ]


def test_every_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    splits = {
        "groups": {"a": 50, "holdout": 10},
        "seed": "x",
        "strata": ["contry", "lifetime_value", "country", "country", ["plan"], "email"],
    }
    freshness = {"as_of": "scored", "hold_after": "two days"}
    found = problems(
        tmp_path,
        PROJECT,
        node("vips", {"splits": splits}, materialized="audience"),
        node("readers", {}, materialized="audience"),
        node("scores", {"freshness": freshness}, columns={"scored_at": {}}),
        node("mails", {"sync": {"mode": "upsert"}}),
        node("mirror", {"sync": {"mode": "mirror"}}),
        node("teller", {"sync": {"mode": "upsert", "on_leave": "delete"}}),
        node("order", {"event": "Order Completed"}),
        node("profiles", {}, columns=COLUMNS),
    )
    assert found == [
        "dbt_project.yml:3: control_group.share: unknown key; there are: percent",
        "dbt_project.yml:3: control_group.percent: '110' is no percentage; it is "
        "0 to 100",
        "dbt_project.yml:5: priority_lists.promotions.2: there is no audience 'vip'; "
        "did you mean 'vips'?",
        "dbt_project.yml:8: priority_lists.news.2: 'vips' stands in 'promotions' "
        "already; an audience is in one list, once",
        "dbt_project.yml:10: frequency_caps.1.limit: '0' is no whole number from 1 on",
        "dbt_project.yml:10: frequency_caps.1.syncs.1: 'mirror' is a mirror: what a "
        "cap takes out of it would be deleted at its destination; caps are for syncs "
        "of mode upsert",
        "dbt_project.yml:10: frequency_caps.1.syncs.2: 'teller' tells its destination "
        "what leaves (on_leave): it would tell it of everybody whom a cap takes out",
        "dbt_project.yml:10: frequency_caps.1.events.1: there is no event model "
        "'Order'; did you mean 'order'?",
        "dbt_project.yml:15: frequency_caps.2.per: unknown key; there are: cap, "
        "events, limit, syncs, within_days",
        "dbt_project.yml:11: frequency_caps.2.cap: a cap has a name of its own",
        "dbt_project.yml:13: frequency_caps.2.within_days: '1.5' is no whole number "
        "from 1 on",
        "dbt_project.yml:14: frequency_caps.2.syncs.2: there is no sync 'mail'; did "
        "you mean 'mails'?",
        "dbt_project.yml:16: trait_history.2: profiles has no column 'contry'; did you "
        "mean 'country'?",
        "dbt_project.yml:16: trait_history.3: '{'country': 'text'}' is no name of a "
        "column of profiles",
        "models/vips.yml:7: splits.seed: unknown key; there are: groups, salt, strata",
        "models/vips.yml:9: splits.strata.1: profiles has no column 'contry'; did you "
        "mean 'country'?",
        "models/vips.yml:10: splits.strata.2: 'lifetime_value' is decimal(18, 2); "
        "strata are made of texts, booleans and whole numbers, so compute a trait that "
        "tells the range it is in",
        "models/vips.yml:12: splits.strata.4: 'country' stands here already",
        "models/vips.yml:13: splits.strata.5: '['plan']' is no name of a column of "
        "profiles",
        "models/vips.yml:14: splits.strata.6: 'email' is personal (pii), and a stratum "
        "is kept in audience_placements for good; compute a trait that tells less",
        "models/vips.yml:6: splits.groups: the groups add up to 60 percent; they are "
        "100",
        "models/scores.yml:7: freshness.hold_after: 'two days' is no length of time: "
        "a number and minutes, hours, days, weeks, as 30 days",
        "models/scores.yml:6: freshness.as_of: the model has no column 'scored'; did "
        "you mean 'scored_at'?",
    ]


def test_what_is_right_or_left_out_is_no_problem(tmp_path: Path) -> None:
    project = """\
vars:
  control_group: {percent: 2.5}
  priority_lists: {shop: [vips]}
  frequency_caps:
    - {cap: daily, limit: 1, within_days: 1, syncs: [mails], events: [order]}
  trait_history: [country]
"""
    groups = {"a": 33.3, "b": 66.7}
    splits = {"groups": groups, "salt": "spring", "strata": ["country"]}
    freshness = {"as_of": "scored_at", "warn_after": "26 hours"}
    nodes = [
        node("vips", {"splits": splits}, materialized="audience"),
        node("scores", {"freshness": freshness}),
        node("mails", {"sync": {"mode": "upsert"}}),
        node("order", {"event": "Order Completed"}),
        node("profiles", {}, columns=COLUMNS),
    ]
    assert problems(tmp_path, project, *nodes) == []
    (tmp_path / "dbt_project.yml").write_text("name: shop\n")
    assert membership_problems(tmp_path / "manifest.json", tmp_path) == []


def test_what_is_of_another_shape_is_told(tmp_path: Path) -> None:
    project = """\
vars:
  control_group: 5
  priority_lists: [vips]
  frequency_caps: {cap: weekly}
  trait_history: country
"""
    strata = {"groups": {"a": 100}, "strata": "country"}
    found = problems(
        tmp_path,
        project,
        node("vips", {"splits": [50, 50]}, materialized="audience"),
        node("readers", {"splits": strata}, materialized="audience"),
        node("scores", {"freshness": "26 hours", "splits": {}}),
    )
    assert [line.split(": ")[0] for line in found] == [
        *(f"dbt_project.yml:{line}" for line in (2, 3, 4, 5)),
        "models/vips.yml:5",
        "models/readers.yml:1",
        "models/scores.yml:4",
        "models/scores.yml:5",
    ]
