"""Every mistake in a definition is told, with its line and what is nearest."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.audiences.definitions import (
    AudienceProblem,
    read_definitions,
    read_file,
)
from tests.audiences.world import catalogue

HEAD = """\
models:
  - name: some
    description: Somebody.
    config:
      meta:
        owner: us
        definition:
"""

DID = "did Order Completed "

MISTAKES = [
    ("{did: Order Complet}", "unknown event 'Order Complet'; did you mean 'Order C"),
    ("{did: buy, wthin: 3 days}", "unknown key; did you mean 'within'?"),
    ("{did: buy, within: 3 dys}", "'3 dys' is no length of time"),
    ("{did: buy, within: 1 day, during: this week}", "only one of them may stand"),
    ("{did: buy, during: this fortnight}", "'this fortnight' is no calendar period"),
    ("{did: buy, between: [1 day, 2 days]}", "the first end has to be the earlier one"),
    ("{did: buy, count: 2}", "takes an operator, as {at_least: 2}"),
    ("{did: buy, count: {atleast: 2}}", "did you mean 'at_least'?"),
    ("{did: buy, count: {exists: true}}", "is always known"),
    ("{did: buy, count: {at_least: two}}", "takes a number"),
    ("{did: nothing, count: {atleast: 2}}", "did you mean 'at_least'?"),
    ("{did: buy, sum: {property: product, at_least: 2}}", "which has no sum"),
    ("{did: buy, sum: {property: totl, at_least: 2}}", "did you mean 'total'?"),
    ("{did: buy, sum: 3}", "takes a property and an operator"),
    ("{did: buy, where: [{property: totl, at_least: 1}]}", "did you mean 'total'?"),
    ("{did: buy, where: [{property: total, contains: a}]}", "is decimal(12, 2), which"),
    ("{did: buy, where: []}", "is empty"),
    ("{did_not: buy, count: {at_least: 2}}", "unknown key"),
    ("{did: buy, did_not: buy}", "is one condition, not did and did_not"),
    ("{trait: scores, at_least: 2}", "unknown trait 'scores'; did you mean 'score'?"),
    ("{trait: orders, at_least: 2}", "unknown trait 'orders'"),
    ("{account: {where: [{trait: score, at_least: 2}]}}", "unknown trait 'score'"),
    ("{trait: score, at_least: {trait: country}}", "but 'country' is varchar"),
    ("{trait: score, at_least: 1, at_most: 2}", "takes one operator"),
    ("{trait: country, equals: NO}", "yml reads this as false; put the text in quotes"),
    ("{trait: country, one_of: [SE, NO]}", "put the text in quotes"),
    ("{in: fan}", "unknown audience 'fan'; did you mean 'fans'?"),
    ("{in: some}", "cannot be defined by itself"),
    ("{dit: buy}", "no condition begins with 'dit'; did you mean 'did'?"),
    ("{any: []}", "is empty"),
    ("{any: [{in: fans}], all: []}", "unknown key"),
    ("3", "takes a condition or a list of conditions"),
    ("{funnel: {steps: [{did: buy}]}}", "at least two steps"),
    ("{funnel: {steps: [{did: buy, within: 1 day}, {did: buy}]}}", "no step before it"),
    ("{funnel: {steps: [{did: buy}, {did: byu}]}}", "did you mean 'buy'?"),
    ("{funnel: {steps: [{did: buy}, {did: buy}], same: sku}}", "has no property 'sku'"),
    (
        "{funnel: {steps: [{did: buy}, {did: buy}], same: [product, product]}}",
        "'product' stands here already",
    ),
    (
        "{funnel: {steps: [{did: buy}, {did: buy}], same: profile_id}}",
        "'profile_id' says nothing here",
    ),
    (
        "{funnel: {steps: [{did: buy}, {did: buy}], same: [timestamp]}}",
        "'timestamp' says nothing here",
    ),
    ("{funnel: {steps: [{did: buy}, {did: buy}], without: buy}}", "is {did: <event>}"),
    (
        "{funnel: {steps: [{did: buy}, {did: buy}], without: {did: buy, same: sku}}}",
        "'sku' is none of the properties in the same of the funnel",
    ),
    ("{funnel: [{did: buy}]}", "takes steps"),
    ("{account: {users: some, matching: {in: fans}}}", "none of any, all, none"),
    ("{account: {users: any, matching: {account: {}}}}", "no condition begins with"),
    ("{account: {users: any}}", "takes either users"),
    ("{account: {where: [{column: seat, at_least: 1}]}}", "did you mean 'seats'?"),
    ("{related: subscription}", "did you mean 'subscriptions'?"),
    ("{related: traits_level}", "nothing leads from 'traits_level' to people"),
    ("{related: subscriptions, count: {equals: few}}", "takes a number"),
]  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A place for definitions."""
    (tmp_path / "models" / "audiences").mkdir(parents=True)
    return tmp_path


def write(project: Path, name: str, text: str) -> Path:
    file = project / "models" / "audiences" / f"{name}.yml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(("tree", "message"), MISTAKES)
def test_a_mistake_is_told_with_its_line(
    tree: str, message: str, project: Path
) -> None:
    lines = f"{HEAD}          - {{in: fans}}\n          - {tree}\n"
    file = write(project, "some", lines)
    read = read_definitions(project, catalogue())
    assert not read.found
    place = f"{project.name}/models/audiences/some.yml:9: definition.2"
    assert any(
        problem.startswith(place) and message in problem for problem in read.problems
    ), read.problems
    with pytest.raises(AudienceProblem, match=r"some\.yml:9: definition\.2"):
        read_file(file, catalogue())


def test_all_mistakes_of_all_definitions_are_told_at_once(project: Path) -> None:
    trees = [tree for tree, _ in MISTAKES]
    write(project, "some", HEAD + "".join(f"          - {tree}\n" for tree in trees))
    write(
        project, "other", HEAD.replace("owner: us", "owner: ''") + "          in: fans"
    )
    read = read_definitions(project, catalogue())
    lines = {
        int(problem.split(":")[1]) for problem in read.problems if "some.yml" in problem
    }
    assert lines == set(range(8, 8 + len(trees)))
    assert [one for one in read.problems if "other.yml:6: owner" in one]


def test_a_misspelt_key_is_no_silence(project: Path) -> None:
    for name, key in {"a": "definitions", "b": "defintion", "c": "color"}.items():
        text = HEAD.replace("definition", key).replace("some", name)
        write(project, name, text + "          in: fans\n")
    assert read_definitions(project, catalogue()).problems == [
        f"{project.name}/models/audiences/{name}.yml:7: {key}: "
        "unknown key; did you mean 'definition'?"
        for name, key in {"a": "definitions", "b": "defintion"}.items()
    ]


def test_audiences_may_name_each_other_but_not_in_a_circle(project: Path) -> None:
    for name, other in {"a": "b", "b": "c", "c": "a", "d": "a", "e": "fans"}.items():
        tree = f"{{account: {{users: any, matching: {{in: {other}}}}}}}"
        text = HEAD.replace("name: some", f"name: {name}") + f"          {tree}\n"
        write(project, name, text)
    read = read_definitions(project, catalogue())
    assert read.problems == [
        f"{project.name}/models/audiences/a.yml:7: definition: "
        "audiences are defined in a circle: a -> b -> c -> a"
    ]


def test_a_file_may_hold_nothing_but_a_definition(tmp_path: Path) -> None:
    file = tmp_path / "idea.yml"
    file.write_text(
        "any: [{did: buy, count: {at_least: 2}}, {trait: score, at_most: 3}]"
    )
    definition = read_file(file, catalogue())
    assert definition.audience == "idea"
    assert definition.words == (
        "Whoever meets at least one of these: did Order Completed at least 2 times; "
        "score is at most 3."
    )


def test_definitions_are_said_in_plain_words(tmp_path: Path) -> None:
    file = tmp_path / "idea.yml"
    for tree, words in {
        "{did: buy}": DID + "at least once",
        "{did: buy, count: {at_most: 1}}": DID + "at most 1 time or never",
        "{did: buy, count: {one_of: [2, 3]}, during: last month}": (
            "did Order Completed exactly 2 or 3 times last month"
        ),
        "{did_not: buy, within: 30 days, where: [{property: total, more_than: 5}]}": (
            "did not do Order Completed in the last 30 days where total is more than 5"
        ),
        "{did: buy, sum: {property: total, at_least: 9}}": (
            "did Order Completed with sum of total is at least 9"
        ),
        "{not: {in: fans}}": "not (is in fans)",
        "{funnel: {steps: [{did: view}, {did: buy, within: 1 day}], same: product}}": (
            "did Product Viewed, then Order Completed within 1 day, "
            "all with the same product"
        ),
        "{funnel: {steps: [{did: view}, {did: buy}], without: {did: leave}}}": (
            "did Product Viewed, then Order Completed, and no Left in between"
        ),
        "{funnel: {steps: [{did: view}, {did: buy}], without: {did: buy, same: []}, "
        "same: [product, is_gift]}}": (
            "did Product Viewed, then Order Completed, all with the same product and "
            "is_gift, and no Order Completed in between, whatever its product and "
            "is_gift"
        ),
        "{account: {users: none, matching: {did: leave}}}": (
            "is in an account where nobody matches (did Left at least once)"
        ),
        "{related: subscriptions, where: {column: status, equals: open}}": (
            "has subscriptions whose status is 'open', at least once"
        ),
    }.items():
        file.write_text(tree)
        assert read_file(file, catalogue()).words == f"Whoever meets this: {words}."
