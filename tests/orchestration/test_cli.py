"""The command line: help a newcomer can act on, and one clear line for a mistake."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from collector.server import EXIT_TAKEN
from orchestration.cli.new import Kind, create
from orchestration.cli.problems import Problem
from orchestration.conditions.catalogue import read_catalogue
from orchestration.dbt_runs import run_dbt
from orchestration.lookups.compiling import compile_lookups
from orchestration.project import ROOT
from orchestration.traits.compiling import (
    compile_topics,
    trait_problems,
    write_topics,
)
from tests.dbt.conftest import write_parsed
from tests.kith import Kith

COMMANDS = (
    "demo",
    "collect",
    "build",
    "plan",
    "sync",
    "profile",
    "trait",
    "identity",
    "audience",
    "ui",
    "check",
    "quarantine",
    "raw",
    "new",
    "bench",
    "test",
)


@pytest.fixture(scope="module")
def kith(
    tmp_path_factory: pytest.TempPathFactory, give_manifest: Callable[[Path], None]
) -> Kith:
    """The command on a data directory in which nothing was built yet."""
    data_dir = tmp_path_factory.mktemp("cli") / "data"
    give_manifest(data_dir)
    return Kith(data_dir)


Call = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def call(kith: Kith) -> Call:
    """Runs the command in this process."""
    return kith.call


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the files that `kith new` writes to."""
    shutil.copytree(ROOT / "dbt_project", tmp_path / "dbt_project")
    (tmp_path / "activations").mkdir()
    accounts = ROOT / "activations" / "destinations.yml"
    shutil.copy(accounts, tmp_path / "activations")
    shutil.copy(ROOT / ".sqlfluff", tmp_path)
    return tmp_path


def test_help_names_every_command(kith: Kith, call: Call) -> None:
    result = kith.run("--help")
    assert result.returncode == 0
    for command in COMMANDS:
        assert command in result.stdout
        assert len(call(command, "--help").stdout.splitlines()) > 4


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["sync"], "Missing argument 'SYNC'"),
        (["plan", "sync"], "name a sync, or say --all"),
        (["build", "--nonsense"], "No such option: --nonsense"),
        (["profile", "email", "nobody@example.com"], "Run `./kith build`"),
        (["plan", "nonsense"], "crm__vip_customers, files__newsletter_subscribers"),
        (["new", "thing", "x"], "'event', 'trait', 'audience', 'sync', 'entity'"),
        (["new", "event", "Order Completed"], "snake_case"),
        (["new", "event", "order_completed"], "exists already"),
        (["new", "entity", "account"], "account_profiles.sql exists already"),
        (["new", "sync", "nobody__fans"], "Accounts: crm, files"),
        (["new", "sync", "fans"], "<destination>__<name>"),
        (["new", "destination", "crm"], "has an account 'crm' already"),
        (["new", "lookup", "product_seen"], "Events: order_completed, order_refunded"),
    ],
)
def test_a_mistake_is_told_in_a_line_and_exits_with_2(
    call: Call, arguments: list[str], told: str
) -> None:
    result = call(*arguments)
    assert result.returncode == 2, result.stderr
    assert told in result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.splitlines()) <= 2


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("KITH_COLLECTOR_PORT", "eighty"),
        ("KITH_MAX_BATCH_EVENTS", "-1"),
        ("KITH_SOURCES", "/nowhere.yml"),
    ],
)
def test_a_wrong_setting_is_named(kith: Kith, variable: str, value: str) -> None:
    broken = Kith(kith.data_dir, {**kith.environ, variable: value})
    result = broken.run("collect")
    assert result.returncode == 2
    assert (variable if variable != "KITH_SOURCES" else value) in result.stderr
    assert "Traceback" not in result.stderr


def test_check_finds_every_problem_at_once(kith: Kith, tmp_path: Path) -> None:
    assert kith.call("check").returncode == 0
    sources = tmp_path / "sources.yml"
    sources.write_text(
        "sources: {a: {write_key_env: NOT_SET, kind: server}, b: {kind: x}}"
    )
    accounts = tmp_path / "destinations.yml"
    accounts.write_text("crm: {manifest: hubspt}\n")
    broken = Kith(
        kith.data_dir,
        {"KITH_SOURCES": str(sources), "KITH_DESTINATIONS": str(accounts)},
    )
    result = broken.call("check")
    assert result.returncode == 1
    assert "sources.b.kind" in result.stderr
    assert "hubspt" in result.stderr
    assert "webhook" in result.stderr


NAMES = """
models:
  - name: names
    columns:
      - {name: name, data_type: varchar, data_tests: [unique]}
      - {name: label, data_type: varchar}
"""


def compile_traits_and_lookups(project: Path, manifest: Path) -> None:
    """What `kith trait compile --all` and `kith lookup compile` do, in this project."""
    catalogue = read_catalogue(manifest)
    compiled, problems = compile_topics(project, catalogue)
    assert not problems
    write_topics(project, compiled, are_all=True)
    assert not trait_problems(project, catalogue)
    changes, problems = compile_lookups(project, catalogue)
    assert changes
    assert not problems


def test_what_new_writes_builds_as_it_is(checkout: Path, tmp_path: Path) -> None:
    for kind, name in (
        (Kind.EVENT, "video_played"),
        (Kind.LOOKUP, "video_played"),
        (Kind.TRAIT, "video"),
        (Kind.AUDIENCE, "video_fans"),
        (Kind.SYNC, "crm__video_fans"),
        (Kind.ENTITY, "video_club"),
    ):
        lines = create(kind, name, root=checkout)
        assert any(line.startswith("wrote dbt_project/models/") for line in lines)
    # What is known of the things that the new lookup is about.
    names = checkout / "dbt_project/models/entities/names"
    names.with_suffix(".sql").write_text("select 'a' as name, 'A' as label\n")
    names.with_suffix(".yml").write_text(NAMES)
    manifest = write_parsed(checkout / "dbt_project", tmp_path / "manifest.json")
    compile_traits_and_lookups(checkout / "dbt_project", manifest)
    new = {"video_played", "traits_video", "video_fans", "crm__video_fans"}
    new |= {"video_played_enriched", "lookup_counts"}
    new |= {"int_video_club_edges", "int_video_club_clusters", "video_club_profiles"}
    with_parents = [f"+{name}" for name in new]
    for command in (["run", "--select", *with_parents], ["test", "--select", *new]):
        done = run_dbt(
            command, data_dir=tmp_path / "data", project_dir=checkout / "dbt_project"
        )
        assert done.succeeded, done
        nodes = {node.name for node in done.nodes if node.status == "ok"}
        assert new <= nodes or command[0] == "test"
        assert len(nodes) > len(new)
    lint = subprocess.run(
        [
            Path(sys.executable).parent / "sqlfluff",
            "lint",
            *checkout.glob("dbt_project/models/*/*video*.sql"),
        ],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert lint.returncode == 0, lint.stdout


def test_a_new_destination_takes_the_manifest_of_its_name(checkout: Path) -> None:
    lines = create(Kind.DESTINATION, "hubspot", root=checkout)
    create(Kind.DESTINATION, "shop_backend", root=checkout)
    accounts = yaml.safe_load((checkout / "activations/destinations.yml").read_text())
    assert accounts["hubspot"]["manifest"] == "hubspot"
    assert "HUBSPOT_ACCESS_TOKEN" in accounts["hubspot"]["settings"]["access_token"]
    assert "HUBSPOT_ACCESS_TOKEN" in lines[1]
    assert accounts["shop_backend"]["manifest"] == "webhook"
    assert {"crm", "files"} < set(accounts)
    with pytest.raises(Problem, match="already"):
        create(Kind.DESTINATION, "hubspot", root=checkout)


def test_a_taken_port_is_told_with_the_variable_that_changes_it(kith: Kith) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(kith.environ["KITH_COLLECTOR_PORT"])))
        taken.listen()
        result = kith.run("collect")
    assert result.returncode == EXIT_TAKEN
    assert "KITH_COLLECTOR_PORT" in result.stderr
    assert "Traceback" not in result.stderr
