"""`kith identity split`, `join`, `withdraw` and `rules`: facts that people decide.

What the facts do to the graph is shown in tests/identity/test_identity.py.
"""

from __future__ import annotations

import getpass
from datetime import UTC, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.identity.identifiers import Identifier, IdentityProblem
from orchestration.identity.rules import (
    Action,
    Rule,
    check_decision,
    following,
    in_force,
    new_rule,
    read_rules,
    write_rule,
)
from tests.kith import Kith
from tests.orchestration.identity_graph import Graph

ANN, BEN = "user_id:ann", "user_id:ben"
MAIL, PHONE = "email:ann@example.com", "anonymous_id:phone"
REASON = ("--reason", "she said so")


@pytest.fixture
def kith(tmp_path: Path) -> Kith:
    Graph({"p1": [ANN, MAIL], "p2": [BEN, PHONE]}).publish(tmp_path)
    return Kith(tmp_path)


def facts(kith: Kith) -> list[dict[str, Any]]:
    files = (kith.data_dir / "raw" / "identity_rules").rglob("*.parquet")
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    return sorted(rows, key=lambda row: row["created_at"])


def test_a_split_is_one_fact_and_tells_what_follows(kith: Kith) -> None:
    done = kith.call("identity", "split", "email: Ann@Example.com ", ANN, *REASON)
    assert done.returncode == 0, done.stderr
    assert "one profile, p1; the next `./kith build` takes it apart" in done.stdout
    (fact,) = facts(kith)
    assert fact.pop("rule_id")
    assert fact.pop("created_at") <= datetime.now(UTC)
    fact.pop("dt", None)
    assert fact == {
        "action": "exclude",
        "left_type": "email",
        "left_value": "ann@example.com",
        "right_type": "user_id",
        "right_value": "ann",
        "reason": "she said so",
        "created_by": getpass.getuser(),
    }


def test_the_same_decision_twice_is_one(kith: Kith) -> None:
    kith.call("identity", "join", MAIL, PHONE, *REASON)
    again = kith.call("identity", "join", PHONE, MAIL, *REASON, "--by", "eve")
    assert "already: " in again.stdout
    assert len(facts(kith)) == 1
    assert kith.call("identity", "rules").stdout.endswith("1 in force\n")


def test_a_later_decision_replaces_and_a_withdrawal_ends(kith: Kith) -> None:
    kith.call("identity", "join", MAIL, PHONE, *REASON)
    split = kith.call("identity", "split", PHONE, MAIL, *REASON)
    assert "until now: " in split.stdout
    assert "are joined" in split.stdout
    assert "p2 and p1, and stay apart" in split.stdout
    gone = kith.call("identity", "withdraw", MAIL, PHONE, *REASON)
    assert "by events alone" in gone.stdout
    assert [fact["action"] for fact in facts(kith)] == [
        "include",
        "exclude",
        "withdraw",
    ]
    assert kith.call("identity", "rules").stdout == "0 in force\n"
    every = kith.call("identity", "rules", "--all").stdout
    assert every.count("ended") == 2
    assert kith.call("identity", "withdraw", MAIL, PHONE, *REASON).returncode == 2


def test_what_follows_is_told_for_each_state_of_the_two(kith: Kith) -> None:
    told = {
        ("join", MAIL, ANN): "and stay one whatever the limits say",
        ("join", MAIL, PHONE): "the next `./kith build` makes them one",
        ("split", ANN, BEN): "p1 and p2, and stay apart",
        ("split", ANN, "user_id:new"): "once both were seen",
    }
    for (command, one, other), text in told.items():
        options = ("--anyway",) if other == "user_id:new" else ()
        done = kith.call("identity", command, one, other, *REASON, *options)
        if (command, one, other) == ("split", ANN, BEN):
            # ann@example.com is Ann's, and the phone's is Ben's.
            assert done.returncode == 0, done.stderr
        assert text in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("split", "ann", BEN), "write type:value"),
        (
            ("split", "nickname:ann", BEN),
            "no identifier type 'nickname'. Types: user_id",
        ),
        (("join", "user_id: ", BEN), "the value is empty"),
        (("join", ANN, ANN), "name two different ones"),
        (("split", ANN, "user_id:nobody"), "shows user_id:nobody"),
        (("split", ANN, BEN, "--reason", " "), "--reason is empty"),
        (("withdraw", ANN, BEN), "no rule about user_id:ann and user_id:ben"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(
    kith: Kith, arguments: tuple[str, ...], told: str
) -> None:
    reason = () if "--reason" in arguments else REASON
    done = kith.call("identity", *arguments, *reason)
    assert done.returncode == 2
    assert told in done.stderr
    assert facts(kith) == []


def test_a_contradiction_is_refused_with_the_rules_that_stand_against(
    kith: Kith,
) -> None:
    kith.call("identity", "join", MAIL, ANN, *REASON)
    kith.call("identity", "join", ANN, PHONE, *REASON)
    split = kith.call("identity", "split", MAIL, PHONE, *REASON)
    assert split.returncode == 2
    assert split.stderr.count("are joined (by") == 2
    assert "identity withdraw" in split.stderr

    kith.call("identity", "split", BEN, MAIL, *REASON)
    join = kith.call("identity", "join", PHONE, BEN, *REASON)
    assert join.returncode == 2
    assert "user_id:ben and email:ann@example.com are kept apart" in join.stderr
    assert len(facts(kith)) == 3


def test_before_the_first_build_only_anyway(tmp_path: Path) -> None:
    kith = Kith(tmp_path)
    assert "./kith build" in kith.call("identity", "join", ANN, BEN, *REASON).stderr
    done = kith.call("identity", "join", ANN, BEN, *REASON, "--anyway", "--json")
    assert '"written": true' in done.stdout
    assert [rule.right for rule in read_rules(tmp_path / "raw")] == [
        Identifier("user_id", "ben")
    ]


def test_a_clock_that_was_set_back_does_not_bring_an_old_rule_back(
    tmp_path: Path,
) -> None:
    pair = Identifier("user_id", "a"), Identifier("user_id", "b")
    late = new_rule("include", *pair, reason="", by="")
    late = Rule(**(vars(late) | {"created_at": late.created_at + timedelta(days=1)}))
    write_rule(tmp_path, late)
    end = new_rule("withdraw", *pair, reason="", by="")
    write_rule(tmp_path, following(read_rules(tmp_path), end))
    assert len(read_rules(tmp_path)) == 2
    assert in_force(read_rules(tmp_path)) == []


NAMES = "abcde"
DECISIONS = st.tuples(
    st.sampled_from(["exclude", "include", "withdraw"]),
    st.sampled_from(list(combinations(NAMES, 2))),
    st.booleans(),
)


@given(st.lists(DECISIONS, max_size=25))
def test_what_is_accepted_never_contradicts_itself(
    decisions: list[tuple[Action, tuple[str, str], bool]],
) -> None:
    """And what is refused would have: told by classes that are merged one by one."""
    rules: list[Rule] = []
    valid: dict[tuple[str, str], str] = {}
    for action, pair, is_turned in decisions:
        ends = [Identifier("user_id", name) for name in pair]
        rule = new_rule(action, *ends[:: -1 if is_turned else 1], reason="", by="")
        wanted = valid | {pair: action}
        if action == "withdraw":
            wanted = {key: value for key, value in valid.items() if key != pair}
        expected = pair in valid if action == "withdraw" else _is_sound(wanted)
        try:
            check_decision(rules, rule)
        except IdentityProblem:
            assert not expected
            continue
        assert expected
        rules.append(following(rules, rule))
        valid = wanted
        assert {
            tuple(sorted(end.value for end in one.pair)): one.action
            for one in in_force(rules)
        } == valid


def _is_sound(valid: dict[tuple[str, str], str]) -> bool:
    classes = {name: {name} for name in NAMES}
    for (one, other), action in valid.items():
        if action == "include":
            merged = classes[one] | classes[other]
            classes |= dict.fromkeys(merged, merged)
    return all(
        other not in classes[one]
        for (one, other), action in valid.items()
        if action == "exclude"
    )
