"""Cleaning and hashing, by the vectors that the tools publish."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activations.filters import FILTERS, NotPossible

CASES: list[tuple[str, tuple[Any, ...], Any]] = [
    ("email", (" Ada@Example.COM ",), "ada@example.com"),
    ("email", ("ada@example",), None),
    ("email", ("",), None),
    ("gmail", ("Jane.Doe+x@googlemail.com",), "janedoe@googlemail.com"),
    ("gmail", ("j.d+x@example.com",), "j.d+x@example.com"),
    ("gmail", ("+x@gmail.com",), None),
    ("e164", ("(415) 555-2671", "us"), "+14155552671"),
    ("e164", ("+44 20 7946 0958",), "+442079460958"),
    ("e164", ("0044 20 7946 0958", "CH"), "+442079460958"),
    ("e164", ("+0000",), None),
    ("e164", ("415 555 2671",), None),
    ("digits", ("+1 (415) 555-2671",), "14155552671"),
    ("letters", (" O'Neil-Émile ",), "oneilémile"),
    ("letters", ("42",), None),
    ("alphanumeric", (" SW1A-1aa ",), "sw1a1aa"),
    ("alphanumeric", ("--",), None),
    ("lower", ("US",), "us"),
    ("upper", ("ch",), "CH"),
    ("country_code", (" us ",), "US"),
    ("country_code", ("Switzerland",), None),
    # https://developers.facebook.com/docs/marketing-api/audiences/guides/custom-audiences
    (
        "sha256",
        ("mary@example.com",),
        "f1904cf1a9d73a55fa5de0ac823c4403ded71afd4c3248d00bdcd0866552bb79",
    ),
    # https://mailchimp.com/developer/marketing/docs/methods-parameters/
    ("md5", ("urist.mcvankab@freddiesjokes.com",), "62eeb292278cc15f5817cb78f7790b08"),
    # RFC 4231, 4.3
    (
        "hmac_sha256",
        ("what do ya want for nothing?", "Jefe"),
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    ),
    ("base64", ("a:b",), "YTpi"),
    ("unix", ("2026-11-22T10:00:00.500000Z",), 1795341600),
    ("unix_ms", ("2026-11-22T10:00:00.500000Z",), 1795341600500),
    ("unix_us", ("2026-11-22T10:00:00.500000",), 1795341600500000),
    ("unix", ("1969-12-31T23:59:59.900000Z",), -1),
    ("date", ("2026-11-22T23:30:00+02:00", "%Y%m%d"), "20261122"),
    ("json", ({"a": [1, "é"]},), '{"a":[1,"é"]}'),
    ("text", (True,), "true"),
    ("scalars", ({"a": [1], "b": 2},), {"a": "[1]", "b": 2}),
    (
        "texts",
        ({"a": 1.5, "b": False, "c": None},),
        {"a": "1.5", "b": "false", "c": None},
    ),
    ("capture", ("/data/12/x", "/data/([0-9]+)/"), "12"),
    ("only", ({"a": None, "b": 2}, "a", "c"), {"a": None}),
    ("int", ("12",), 12),
    ("int", ("twelve",), None),
    ("without", ({"a": 1, "b": 2}, "a"), {"b": 2}),
    ("merged", ({"a": 1, "b": 2}, {"b": None}), {"a": 1, "b": None}),
    ("without_nulls", ({"a": None, "b": False},), {"b": False}),
]


@pytest.mark.parametrize(("name", "given", "expected"), CASES)
def test_values_are_cleaned_as_the_tools_say(
    name: str, given: tuple[Any, ...], expected: Any
) -> None:
    assert FILTERS[name](*given) == expected


@pytest.mark.parametrize("name", sorted(FILTERS.keys() - {"required"}))
def test_no_value_stays_no_value(name: str) -> None:
    assert FILTERS[name](None) is None


@pytest.mark.parametrize("name", ["email", "gmail", "e164", "digits", "letters"])
def test_what_is_hashed_already_is_not_hashed_again(name: str) -> None:
    hashed = FILTERS["sha256"]("ada@example.com")
    assert FILTERS["sha256"](FILTERS[name](hashed.upper())) == hashed


def test_what_is_no_time_is_told() -> None:
    with pytest.raises(NotPossible, match="'soon' is not a time"):
        FILTERS["unix"]("soon")


@pytest.mark.parametrize(
    "name",
    [
        *("email", "gmail", "e164", "digits", "letters", "alphanumeric"),
        *("trimmed", "country_code"),
    ],
)
@given(text=st.text())
def test_cleaning_twice_changes_nothing_more(name: str, text: str) -> None:
    once = FILTERS[name](text)
    assert once is None or once
    assert FILTERS[name](once) == once
