"""`kith identity explain` shows the shortest way between two identifiers."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.identity.explain import explain
from orchestration.identity.identifiers import Identifier
from profiles.published import connect
from tests.kith import Kith
from tests.orchestration.identity_graph import Graph

ANN, BEN, CLEO = "user_id:ann", "user_id:ben", "user_id:cleo"
MAIL, PHONE, LAPTOP, TABLET = (
    "email:ann@example.com",
    "anonymous_id:phone",
    "anonymous_id:laptop",
    "anonymous_id:tablet",
)
GRAPH = Graph(
    profiles={
        "p1": [ANN, MAIL, PHONE, LAPTOP],
        "p2": [BEN, TABLET],
        "p3": [CLEO],
        "p4": ["user_id:dan"],
    },
    events=[
        (MAIL, PHONE, "Signed Up"),
        (ANN, MAIL, "Order Completed"),
        (BEN, TABLET, ""),
        (BEN, PHONE, "Signed In"),
        (CLEO, TABLET, "Product Viewed"),
    ],
    rules=[("include", LAPTOP, ANN), ("exclude", MAIL, "user_id:dan")],
)


@pytest.fixture(scope="module")
def kith(tmp_path_factory: pytest.TempPathFactory) -> Kith:
    data_dir = tmp_path_factory.mktemp("explain")
    GRAPH.publish(data_dir)
    return Kith(data_dir)


def explained(kith: Kith, one: str, other: str) -> dict[str, Any]:
    done = kith.call("identity", "explain", one, other, "--json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_way_inside_a_profile_goes_over_events_and_rules(kith: Kith) -> None:
    told = kith.call("identity", "explain", PHONE, LAPTOP).stdout
    assert told.splitlines() == [
        "anonymous_id:phone and anonymous_id:laptop are one profile, p1",
        "  anonymous_id:phone",
        "    Signed Up from shop, message m0, received 2026-11-01 12:00:00",
        "  email:ann@example.com",
        "    Order Completed from shop, message m1, received 2026-11-01 12:01:00",
        "  user_id:ann",
        "    joined by ann: she said so (rule r0)",
        "  anonymous_id:laptop",
    ]
    found = explained(kith, LAPTOP, PHONE)
    assert found["is_one_profile"]
    assert [link["message_id"] for link in found["links"]] == [None, "m1", "m0"]
    assert found["links"][0]["left"] == {"type": "anonymous_id", "value": "laptop"}


def test_between_profiles_the_refused_events_are_told(kith: Kith) -> None:
    told = kith.call("identity", "explain", MAIL, CLEO).stdout
    assert "is the profile p1, user_id:cleo the profile p3" in told
    assert told.count("does not count, refused: limit of user_id") == 2
    found = explained(kith, MAIL, CLEO)
    assert not found["is_one_profile"]
    assert [
        (link["message_id"], link["event"], link["refused"] is None)
        for link in found["links"]
    ] == [
        ("m0", "Signed Up", True),
        ("m3", "Signed In", False),
        ("m2", "track", True),
        ("m4", "Product Viewed", False),
    ]


def test_what_nothing_links_is_told_with_the_rule(kith: Kith) -> None:
    told = kith.call("identity", "explain", "user_id:dan", "email:ANN@example.com")
    assert "a rule keeps them apart (by ann: she said so)" in told.stdout
    assert "no way of events and rules leads" in told.stdout


def test_who_was_never_seen_is_a_mistake(kith: Kith) -> None:
    told = kith.call("identity", "explain", ANN, "user_id:nobody")
    assert told.returncode == 2
    assert "shows user_id:nobody" in told.stderr


def test_a_database_of_another_version_is_told(tmp_path: Path) -> None:
    Graph({"p1": [ANN, MAIL]}).publish(tmp_path)
    (file,) = (tmp_path / "published").glob("2*.duckdb")
    file.chmod(0o600)
    with duckdb.connect(file) as connection:
        connection.execute("drop table staging.stg_identity_rules")
    told = Kith(tmp_path).call("identity", "explain", ANN, MAIL)
    assert told.returncode == 2
    assert "Run `./kith build`" in told.stderr


@pytest.mark.parametrize("seed", range(4))
def test_no_way_is_shorter(tmp_path: Path, seed: int) -> None:
    """Against distances that were computed the slow way, over all pairs of a graph."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    names = [f"user_id:{number}" for number in range(12)]
    pairs = [tuple(chance.sample(names, 2)) for _ in range(16)]
    distances = {(one, other): 99 for one in names for other in names}
    distances |= {(name, name): 0 for name in names}
    for one, other in pairs:
        distances[one, other] = distances[other, one] = 1
    for middle in names:
        for one in names:
            for other in names:
                way = distances[one, middle] + distances[middle, other]
                distances[one, other] = min(distances[one, other], way)
    reached = [name for name in names if distances[names[0], name] < 99]
    events = [(one, other, "") for one, other in pairs if one in reached]
    Graph({"p": reached}, events=events).publish(tmp_path)
    with connect(tmp_path / "published") as connection:
        for name in reached:
            ends = [Identifier(*end.split(":")) for end in (names[0], name)]
            links = explain(connection, *ends).links
            assert len(links) == distances[names[0], name]
            places = [ends[0], *(link.right for link in links)]
            assert places[-1] == ends[1]
            assert [link.left for link in links] == places[:-1]
