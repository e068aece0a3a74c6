"""Explanations: which rows did not arrive, and what is known of one of them."""

from __future__ import annotations

from activations.explain import explain, find_troubles
from activations.guards import Guards
from tests.activations.bench import Bench, email
from tests.activations.scripted import Destination, Give
from tests.activations.test_modes import appending, consents, orders
from tests.activations.test_requests import fail


def story(crm: Bench, number: int) -> str:
    return explain(crm.plan(), email(number), data_dir=crm.data_dir).conclusion


def refuse(destination: Destination, *numbers: int) -> None:
    bad = {email(number) for number in numbers}
    destination.answer = lambda got: (
        Give(422, {"error": "no such country"}) if got.json["key"] in bad else Give()
    )


def test_errors_tell_what_did_not_arrive_and_what_comes_next(
    crm: Bench, destination: Destination
) -> None:
    crm.configure(action_name="row", guards=Guards(max_delete_share=0))
    crm.people(range(40))
    refuse(destination, 3)
    crm.run()
    crm.people(range(3, 19))
    crm.run()
    troubles = {t.key: t for t in find_troubles(crm.plan(), data_dir=crm.data_dir)}
    rejected = troubles.pop(email(3))
    assert (rejected.outcome, rejected.code, rejected.runs) == ("rejected", "422", 1)
    assert "no such country" in str(rejected.message)
    assert "retry --rejected" in rejected.next
    assert {trouble.outcome for trouble in troubles.values()} == {"held"}
    assert len(troubles) == 24


def test_a_row_that_failed_is_told_until_it_arrives(
    crm: Bench, destination: Destination
) -> None:
    crm.people([1, 2])
    fail(crm, runs=2)
    first, _ = find_troubles(crm.plan(), data_dir=crm.data_dir)
    assert (first.outcome, first.runs, first.verdict) == ("failed", 2, "send")
    assert first.next == "the next run sends it again"
    fail(crm, runs=3)
    first, _ = find_troubles(crm.plan(), data_dir=crm.data_dir)
    assert (first.runs, first.verdict) == (5, "dead")
    crm.ask("retry")
    crm.run()
    assert find_troubles(crm.plan(), data_dir=crm.data_dir) == []


def test_a_row_tells_its_story(crm: Bench, destination: Destination) -> None:
    crm.configure(action_name="row")
    crm.people([1])
    assert story(crm, 1) == (
        "To insert, as it is new to the destination: the next run sends it."
    )
    crm.run()
    assert story(crm, 1) == "Nothing is to be done: acct holds the row as it is."
    crm.people([1], plan="pro")
    refuse(destination, 1)
    crm.run()
    assert story(crm, 1).startswith(
        "To update, as it has changed; but acct has rejected just this. It waits"
    )
    crm.ask("retry", key=email(1))
    refuse(destination)
    crm.run()
    told = explain(crm.plan(), email(1), data_dir=crm.data_dir)
    assert [row["outcome"] for row in told.history] == [
        *("succeeded", "rejected", "succeeded")
    ]
    assert [row["request"] for row in told.requests] == ["retry"]
    lines = "\n".join(told.describe())
    assert '"plan": "pro"' in lines
    assert "holds this row, sent 20" in lines
    assert "rejected   acct, row  422" in lines
    crm.people([1], plan="max")
    lines = "\n".join(explain(crm.plan(), email(1), data_dir=crm.data_dir).describe())
    assert "holds another row; only its fingerprint is known" in lines


def test_why_a_row_is_not_planned(crm: Bench, destination: Destination) -> None:
    crm.people([1])
    fail(crm, runs=5)
    assert "but that failed too often. It waits" in story(crm, 1)
    assert story(crm, 9) == ("It is not in the payload, and acct holds nothing of it.")
    crm.people([2])
    crm.run()
    crm.people([])
    assert "the guard empty holds it: The payload is empty" in story(crm, 2)
    crm.configure(mode="upsert")
    assert story(crm, 2) == "It left the payload; acct keeps it, as `on_leave` says."
    crm.configure(mode="insert")
    crm.people([2], plan="pro")
    assert story(crm, 2).startswith("It has changed, but the mode insert leaves it")
    crm.configure(mode="upsert", consent=("_may_mail",))
    consents(crm, {2: False, 3: False})
    assert story(crm, 2) == (
        "To delete, as consent is not given any more: the next run sends it."
    )
    assert story(crm, 3) == "It is left out: not all of _may_mail are true."


def test_a_row_below_the_watermark_says_so(crm: Bench) -> None:
    appending(crm)
    orders(crm, {1: 5})
    crm.run()
    orders(crm, {1: 5, 2: 1})
    assert "below that of the last run" in story(crm, 2)


def test_a_row_that_was_told_to_have_left_says_so(crm: Bench) -> None:
    crm.configure(on_leave="set", leave_values={"plan": "none"})
    crm.people([1, 2])
    crm.run()
    crm.people([1])
    crm.run()
    assert story(crm, 2) == "It left the payload, and acct was told so."
