"""A preview of rules tells just what comes true when they are applied."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import yaml

from activations import load_syncs, make_plan
from collector.datasets import EVENTS
from collector.files import try_lock
from collector.raw import ensure_datasets, write_file
from orchestration.cli.identity_preview import show
from orchestration.dbt_runs import run_dbt
from orchestration.identity.comparison import compare
from orchestration.identity.explain import explain
from orchestration.identity.identifiers import Identifier
from orchestration.identity.preview import Preview, preview
from orchestration.identity.rules import Rule, new_rule, write_rule
from orchestration.parsed_project import parse_project
from orchestration.project import DBT_PROJECT, DESTINATIONS
from profiles.published import connect, current_build, publish
from tests.dbt.conftest import DAY, Row, event_row
from tests.kith import Kith
from tests.orchestration.identity_graph import Graph

ANN, OFFICE = (
    Identifier("email", name) for name in ("ann@example.com", "office@example.com")
)
KIOSK, FAY = (Identifier("anonymous_id", name) for name in ("kiosk", "fay"))
SPLIT = new_rule("exclude", KIOSK, ANN, reason="stands in a shop", by="eve")
JOIN = new_rule("include", FAY, ANN, reason="told by Ann", by="eve")
# What audiences and syncs are made of, without what only tells of a build.
MODELS = [
    "+path:models/audiences",
    "+path:models/syncs",
    "path:models/events",
    "path:models/identity",
]


def events() -> Iterator[Row]:
    """Ann, whom a kiosk hangs on; Fay; three who share the address of an office."""
    cart = {"cart_id": "c1", "product_id": "p1", "price": 9, "quantity": 1}
    consent = {"email": ANN.value, "marketing_consent": True}
    yield event_row(minute=0, type="identify", anonymous_id="phone", traits=consent)
    yield event_row(
        minute=1, event="Product Added", anonymous_id="kiosk", properties=cart
    )
    yield event_row(minute=2, type="identify", anonymous_id="kiosk", traits=consent)
    yield event_row(minute=3, anonymous_id="fay")
    consent = consent | {"email": OFFICE.value}
    for minute, name in enumerate(("cleo", "dan", "eli"), start=4):
        yield event_row(
            minute=minute, type="identify", anonymous_id=name, traits=consent
        )


@dataclass
class World:
    """What was previewed, and the builds before and after it came true."""

    data_dir: Path
    made: Preview
    before: Path
    after: Path
    is_untouched: bool


def previewed(
    data_dir: Path,
    *,
    rules: Sequence[Rule] = (),
    blocked: Sequence[Identifier] = (),
    applied: Callable[[], Path] = lambda: DBT_PROJECT,
) -> World:
    """Preview over these events; then let it come true, in the project `applied`."""
    ensure_datasets(data_dir / "raw")
    rows = [row | {"segment": "s1"} for row in events()]
    table = pa.Table.from_pylist(rows, schema=EVENTS.schema)
    write_file(data_dir / "raw", EVENTS, table, partition={"dt": DAY}, name="s1")
    before = _build(data_dir, DBT_PROJECT)
    kept = _fingerprints(data_dir)
    made = preview(data_dir, data_dir / "raw", rules=rules, blocked=blocked)
    is_untouched = _fingerprints(data_dir) == kept
    for rule in rules:
        write_rule(data_dir / "raw", rule)
    return World(data_dir, made, before, _build(data_dir, applied()), is_untouched)


def _build(data_dir: Path, project_dir: Path) -> Path:
    """Build the models, without their tests, and publish them."""
    run = run_dbt(
        ["run", "--select", *MODELS],
        data_dir=data_dir,
        project_dir=project_dir,
        manifest=parse_project(data_dir, project_dir).load(),
    )
    failed = [(node.name, node.message) for node in run.nodes if node.status == "error"]
    assert run.succeeded, run.problem or failed
    publish(data_dir / "warehouse.duckdb", data_dir / "published")
    return current_build(data_dir / "published")


def _fingerprints(data_dir: Path) -> dict[str, str]:
    """All files but locks, which say who held them last."""
    return {
        str(path.relative_to(data_dir)): sha256(path.read_bytes()).hexdigest()
        for path in data_dir.rglob("*")
        if path.is_file() and path.suffix != ".lock"
    }


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, give_manifest: Callable[[Path], None]
) -> World:
    data_dir = tmp_path_factory.mktemp("preview")
    give_manifest(data_dir)
    return previewed(data_dir, rules=[SPLIT, JOIN])


def test_what_was_told_of_profiles_comes_true(world: World) -> None:
    found = world.made.comparison
    assert found == compare(world.before, world.after)
    assert (found.profiles_before, found.profiles_after) == (3, 3)
    assert found.identifiers_before == found.identifiers_after == 8
    (split,) = found.split
    (merged,) = found.merged
    assert split.profile_id == merged.profile_id
    ann = ["anonymous_id:phone", "email:ann@example.com"]
    assert sorted(split.parts.values()) == [["anonymous_id:kiosk"], ann]
    assert sorted(merged.parts.values()) == [["anonymous_id:fay"], ann]
    assert (len(found.created), len(found.gone)) == (1, 1)
    assert found.moved_events == 2  # the kiosk's cart and Fay's page


def test_the_log_of_audiences_gets_what_was_told(world: World) -> None:
    told = {
        (audience, profile_id, change)
        for audience, members in world.made.comparison.audiences.items()
        for change, names in (("entered", members.entered), ("exited", members.exited))
        for profile_id in names
    }
    assert {(audience, change) for audience, _, change in told} == {
        ("cart_abandoners", "entered"),
        ("cart_abandoners", "exited"),
    }
    assert _changes(world, after=True) - _changes(world, after=False) == told


def _changes(world: World, *, after: bool) -> set[Any]:
    """Who entered and exited by the log, so far."""
    build = world.after if after else world.before
    with duckdb.connect(build, read_only=True) as connection:
        return set(
            connection.execute(
                "select audience, profile_id, change from audiences.audience_changes"
            ).fetchall()
        )


def test_the_syncs_send_what_was_told(world: World) -> None:
    assert world.made.syncs_problem is None
    syncs = load_syncs(world.data_dir, destinations_file=DESTINATIONS)
    told = {name: rows.then or {} for name, rows in world.made.syncs.items()}
    planned: dict[str, dict[str, int]] = {}
    for name, sync in syncs.items():
        plan = make_plan(sync, data_dir=world.data_dir)
        counts = {str(operation): rows for operation, rows in plan.counts.items()}
        planned[name] = counts | {"held": plan.held_total}
    assert told == planned
    assert told["files__newsletter_subscribers"]["insert"] == 2


def test_it_is_told_in_words(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    show(world.made)
    told = capsys.readouterr().out.splitlines()
    assert told[:2] == ["profiles     3 -> 3", "identifiers  8 -> 8"]
    assert "profiles that are split: 1" in told
    assert "audience cart_abandoners: 1 -> 1 members; 1 enter, 1 exit" in told
    assert told[-1] == (
        "sync files__newsletter_subscribers: would send 2 insert; now 2 insert"
    )


def test_what_came_true_is_explained(world: World) -> None:
    """On the tables as dbt makes them; test_identity_explain.py shows every case."""
    with connect(world.data_dir / "published") as connection:
        apart = explain(connection, KIOSK, ANN)
        joined = explain(connection, FAY, Identifier("anonymous_id", "phone"))
    assert not apart.is_one_profile
    assert apart.split == "by eve: stands in a shop"
    (refused,) = apart.links
    assert refused.event == "identify"
    assert (refused.refused or "").startswith("refused: ")
    assert joined.is_one_profile
    rule, event = joined.links
    assert (rule.rule_id, rule.reason) == (JOIN.rule_id, "told by Ann")
    assert (event.event, event.refused) == ("identify", None)


def test_nothing_is_written_or_left_behind(world: World) -> None:
    assert world.is_untouched
    assert not (world.data_dir / "preview").exists()


@pytest.mark.slow
def test_a_blocked_value_does_what_it_does_in_the_project(tmp_path: Path) -> None:
    def project_that_blocks() -> Path:
        project = tmp_path / "dbt_project"
        shutil.copytree(DBT_PROJECT, project, ignore=shutil.ignore_patterns("target"))
        file = project / "dbt_project.yml"
        document = yaml.safe_load(file.read_text())
        for entry in document["vars"]["identifiers"]:
            if entry["type"] == OFFICE.type:
                entry["blocked"] = [OFFICE.value]
        file.write_text(yaml.safe_dump(document, sort_keys=False))
        return project

    data_dir = tmp_path / "data"
    world = previewed(data_dir, blocked=[OFFICE], applied=project_that_blocks)
    found = world.made.comparison
    assert found == compare(world.before, world.after)
    (split,) = found.split
    assert len(split.parts) == 3
    assert found.identifiers_before - found.identifiers_after == 1
    # The project as it stands now, over what it built, changes nothing.
    project = tmp_path / "dbt_project"
    again = preview(data_dir, data_dir / "raw", project_dir=project).comparison
    assert (again.split, again.merged, again.created, again.gone) == ([], [], [], [])


def test_one_preview_at_a_time(tmp_path: Path) -> None:
    Graph({"p1": [str(ANN), str(KIOSK)]}).publish(tmp_path)
    other = try_lock(tmp_path / "preview.lock")
    assert other is not None
    with other:
        done = Kith(tmp_path).call("identity", "preview")
    assert done.returncode == 2
    assert "another preview is under way" in done.stderr


def test_a_contradiction_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    Graph({"p1": [str(ANN), str(KIOSK)]}).publish(tmp_path)
    pair = (str(ANN), str(KIOSK))
    arguments = ("--split", *pair, "--withdraw", str(ANN), str(FAY))
    done = Kith(tmp_path).call("identity", "preview", *arguments)
    assert done.returncode == 2
    assert "no rule about email:ann@example.com and anonymous_id:fay" in done.stderr
