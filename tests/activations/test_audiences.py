"""Tools of ads and analytics: what the suite that all tools pass cannot ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from activations.manifest import load_catalog
from tests.activations.scripted import Destination, Give, Got
from tests.activations.test_tools import at_work, load

KEYS = [
    pytest.param(tool, key, id=f"{tool}-{key}")
    for tool, manifest in load_catalog().items()
    for action in manifest.actions.values()
    for key in action.keys
]
VALUES = {
    "email": " Ada@Example.com",
    "phone": "+1 (415) 555-2671",
    "external_id": "c-17",
    "mobile_id": "CDDA802E-FB9C",
    "idfa": "AECE52E7-03EE",
    "gaid": "CDDA802E-FB9C",
}


@pytest.mark.parametrize(("tool", "key"), KEYS)
def test_who_leaves_is_named_as_when_they_came(
    destination: Destination, tmp_path: Path, tool: str, key: str
) -> None:
    """Each key that a sync may use is enough to find the member again."""
    work, _, _ = at_work(destination, tmp_path, tool, "audience")
    work.configure(key=key)
    row = {name: value for name, value in VALUES.items() if _takes(work, name)}
    load(work, [row])
    assert work.run().succeeded.insert == 1
    came = destination.requests[-1]
    load(work, [], like=[row])
    assert work.run(allow_deletes=1).succeeded.delete == 1
    left = destination.requests[-1]
    new = {*_texts(left.json)} - {*_texts(came.json)} - {"delete", "REMOVE"}
    assert new == set()
    assert _identifiers(came) > _identifiers(left) != set()


def _takes(work: Any, name: str) -> bool:
    return name in work.sync.action.fields


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def _identifiers(got: Got) -> set[str]:
    plain = {value.lower() for value in VALUES.values()}
    return {text for text in _texts(got.json) if len(text) == 64 or text in plain}


def test_an_event_with_too_many_parameters_is_told(
    destination: Destination, tmp_path: Path
) -> None:
    """GA4 would drop it silently."""
    work, _, example = at_work(destination, tmp_path, "ga4", "events")
    many = {f"p{number}": number for number in range(25)}
    load(work, [{**example.row(1), **many}])
    run = work.run()
    assert (run.rejected.insert, destination.requests) == (1, [])
    (message,) = [row["message"] for row in work.log()]
    assert "at most 25 parameters" in message


def test_a_member_that_linkedin_did_not_get_to_is_sent_again(
    destination: Destination, tmp_path: Path
) -> None:
    work, known, example = at_work(
        destination, tmp_path, "linkedin_audiences", "audience"
    )

    def answer(got: Got) -> Give:
        elements = got.json["elements"] if got.path.endswith("/users") else []
        if len(elements) > 1:
            statuses = [201, 500, *[201] * (len(elements) - 2)]
            return Give(200, {"elements": [{"status": each} for each in statuses]})
        return known.answer(got)

    destination.answer = answer
    load(work, [example.row(number) for number in range(3)])
    assert work.run().succeeded.insert == 3
    sent = [got.json for got in destination.requests if got.path.endswith("/users")]
    assert [len(each["elements"]) for each in sent] == [3, 1]
