"""What an event must be like to be stored, and what becomes of its fields."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import Unacceptable
from collector.validate import Event, Reception, parse_time, validate

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=12,
)


def reception(**changes: Any) -> Reception:
    settings: dict[str, Any] = {
        "source_id": "shop",
        "request_id": "r1",
        "received_at": NOW,
        "sent_at": None,
        "route_type": None,
        "max_event_bytes": 32_768,
    }
    return Reception(**(settings | changes))


def track(**changes: Any) -> dict[str, Any]:
    return {"type": "track", "userId": "u", "event": "E", **changes}


def time_of(micros: int) -> datetime:
    return EPOCH + micros * MICROSECOND


@pytest.mark.parametrize(
    ("raw", "code", "path"),
    [
        (5, "not_an_object", ""),
        (None, "not_an_object", ""),
        (track(type="trakc"), "bad_type", "type"),
        (track(type=["track"]), "bad_type", "type"),
        ({"userId": "u"}, "bad_type", "type"),
        ({"type": "track", "event": "E"}, "no_user_anon_id", ""),
        (track(userId="  ", anonymousId=None), "no_user_anon_id", ""),
        (track(userId=True), "bad_user_id", "userId"),
        (track(userId={}), "bad_user_id", "userId"),
        (track(userId=1.5), "bad_user_id", "userId"),
        (track(userId=1e40), "bad_user_id", "userId"),
        (track(userId="x" * 256), "bad_user_id", "userId"),
        (track(anonymousId=[1]), "bad_anonymous_id", "anonymousId"),
        (track(event=""), "missing_event_name", "event"),
        (track(event=None), "missing_event_name", "event"),
        (track(event=7), "bad_event_name", "event"),
        (track(event="x" * 501), "bad_event_name", "event"),
        (track(messageId="x" * 101), "bad_message_id", "messageId"),
        (track(messageId=5), "bad_message_id", "messageId"),
        (track(properties="a"), "bad_properties", "properties"),
        (track(traits=[1]), "bad_traits", "traits"),
        (track(context="a"), "bad_context", "context"),
        (track(integrations=1), "bad_integrations", "integrations"),
        ({"type": "alias", "userId": "u"}, "missing_previous_id", "previousId"),
        ({"type": "group", "userId": "u"}, "missing_group_id", "groupId"),
        (track(properties={"a": "x" * 32_768}), "event_too_large", ""),
    ],
)
def test_unacceptable_events_say_what_is_wrong_and_where(
    raw: Any, code: str, path: str
) -> None:
    with pytest.raises(Unacceptable) as caught:
        validate(raw, reception())
    assert (caught.value.code, caught.value.path) == (code, path)


def test_nesting_is_bounded_exactly() -> None:
    def nested(levels: int) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for _ in range(levels - 2):
            value = {"in": value}
        return track(properties=value)

    validate(nested(65), reception())
    with pytest.raises(Unacceptable, match="64 levels"):
        validate(nested(66), reception())
    with pytest.raises(Unacceptable, match="64 levels"):
        validate(nested(900), reception())


def test_more_than_ten_thousand_properties_are_refused() -> None:
    many = {str(number): 0 for number in range(10_001)}
    with pytest.raises(Unacceptable) as caught:
        validate(track(properties=many), reception(max_event_bytes=10**6))
    assert caught.value.code == "too_many_properties"


@pytest.mark.parametrize(
    ("given_id", "stored"),
    [(7, "7"), (7.0, "7"), (" u ", "u"), (2**60, str(2**60)), ("0", "0")],
)
def test_ids_become_text(given_id: Any, stored: str) -> None:
    assert validate(track(userId=given_id), reception()).user_id == stored


def test_the_route_gives_the_type_and_contradiction_is_an_error() -> None:
    assert validate({"userId": "u"}, reception(route_type="page")).type == "page"
    with pytest.raises(Unacceptable, match="sent to page"):
        validate(track(), reception(route_type="page"))


def test_fields_without_a_column_are_kept_in_extra() -> None:
    event = validate(track(channel="server", _metadata={"a": 1}, name=5), reception())
    assert json.loads(event.extra or "") == {
        "channel": "server",
        "_metadata": {"a": 1},
        "name": 5,
    }
    assert validate(track(), reception()).extra is None


def test_rudderstack_traits_are_found_in_the_context() -> None:
    raw = {"type": "identify", "userId": "u", "context": {"traits": {"a": 1}}}
    assert validate(raw, reception()).traits == '{"a":1}'
    assert validate({**raw, "traits": {"b": 2}}, reception()).traits == '{"b":2}'


def test_the_clock_of_the_client_is_corrected() -> None:
    event = validate(
        track(timestamp="2026-11-22T11:00:00Z"),
        reception(sent_at="2026-11-22T11:30:00Z"),
    )
    assert time_of(event.timestamp) == NOW - timedelta(minutes=30)
    assert event.original_timestamp is not None
    assert time_of(event.original_timestamp) == datetime(2026, 11, 22, 11, tzinfo=UTC)
    assert event.flags == []


@pytest.mark.parametrize(
    ("changes", "sent_at", "expected", "flag"),
    [
        ({"timestamp": "yesterday"}, None, NOW, "bad_timestamp"),
        ({"timestamp": 1e18}, None, NOW, "bad_timestamp"),
        ({"timestamp": "2024-02-30T00:00:00Z"}, None, NOW, "bad_timestamp"),
        ({"timestamp": "2024-W01-1"}, None, NOW, "bad_timestamp"),
        ({"timestamp": "2026-11-22T12:00:00+25:00"}, None, NOW, "bad_timestamp"),
        ({"timestamp": "2036-01-01T00:00:00Z"}, None, NOW, "future_timestamp"),
        (
            {"timestamp": "2026-11-01T00:00:00Z"},
            "2020-01-01T00:00:00Z",
            datetime(2026, 11, 1, tzinfo=UTC),
            "clock_skew",
        ),
        (
            {"timestamp": "0001-01-01T00:00:00Z"},
            "2026-11-22T12:00:01Z",
            datetime(1, 1, 1, tzinfo=UTC),
            "clock_skew",
        ),
    ],
)
def test_a_wrong_time_is_flagged_and_never_costs_the_event(
    changes: dict[str, Any], sent_at: str | None, expected: datetime, flag: str
) -> None:
    event = validate(track(**changes), reception(sent_at=sent_at))
    assert time_of(event.timestamp) == expected
    assert event.flags == [flag]


def test_a_time_that_cannot_be_read_is_kept_as_it_was() -> None:
    event = validate(track(timestamp="yesterday", sentAt="now"), reception())
    assert json.loads(event.extra or "") == {
        "originalTimestamp": "yesterday",
        "sentAt": "now",
    }
    both = track(
        timestamp="2026-11-01T00:00:00Z", originalTimestamp="2026-11-02T00:00:00Z"
    )
    assert json.loads(validate(both, reception()).extra or "") == {
        "timestamp": "2026-11-01T00:00:00Z"
    }


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-14 * 60, 14 * 60))
def test_every_rfc3339_time_is_read(moment: datetime, offset: int) -> None:
    sign = "+" if offset >= 0 else "-"
    text = (
        moment.replace(tzinfo=None).isoformat(timespec="microseconds")
        + f"{sign}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
    )
    try:
        expected = moment - timedelta(minutes=offset)
    except OverflowError:
        assert parse_time(text) is None
        return
    assert parse_time(text) == expected


@given(st.dictionaries(st.text(max_size=12), json_values, max_size=8))
def test_whatever_json_arrives_is_stored_or_refused_by_name(
    raw: dict[str, Any],
) -> None:
    try:
        result: Event | Unacceptable = validate({**track(), **raw}, reception())
    except Unacceptable as reason:
        result = reason
    assert isinstance(result, Event) or (result.code and result.detail)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), json_values))
def test_properties_are_stored_without_loss(properties: dict[str, Any]) -> None:
    event = validate(track(properties=properties), reception(max_event_bytes=10**6))
    assert json.loads(event.properties or "") == properties
