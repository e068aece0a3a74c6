"""What an event must be like to be stored, and what becomes of its fields."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import Unacceptable
from collector.ingest import Quarantined, Rows, make_rows
from collector.times import micros, parse_time, sent
from collector.validate import Event, Reception, validate
from collector.wire import BATCH, Request
from tests.collector.acceptance import accepts, case
from tests.collector.bad_events import BAD_EVENTS, track

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=4)
    ),
    max_leaves=12,
)


def reception(**changes: Any) -> Reception:
    settings: dict[str, Any] = {
        "source_id": "shop",
        "request_id": "r1",
        "received_at": micros(NOW),
        "sent": sent(None),
        "route_type": None,
        "max_event_bytes": 32_768,
    }
    return Reception(**(settings | changes))


def rows_of(*events: Any, **changes: Any) -> Rows:
    """What a batch of these events becomes."""
    request = Request(list(events), BATCH, None, None, is_odd=True)
    return make_rows(request, reception(**changes), max_events=9)


def time_of(micros: int) -> datetime:
    return EPOCH + micros * MICROSECOND


@pytest.mark.parametrize(("raw", "code", "path"), BAD_EVENTS)
def test_unacceptable_events_say_what_is_wrong_and_where(
    raw: Any, code: str, path: str
) -> None:
    (row,) = make_rows(
        Request([raw], BATCH, None, None), reception(), max_events=1
    ).rows
    assert isinstance(row, Quarantined)
    assert (row.code, row.path) == (code, path)
    assert row.detail


@accepts("B38")
def test_nesting_is_bounded_exactly() -> None:
    def nested(levels: int) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for _ in range(levels - 2):
            value = {"in": value}
        return track(properties=value)

    assert rows_of(nested(65)).fates == {"": 1}
    for levels in (66, 900):
        request = Request([nested(levels), track()], BATCH, None, None)
        rows = make_rows(request, reception(), max_events=2)
        assert rows.fates == {"": 1, "too_deep": 1}


@accepts("B49")
def test_more_than_ten_thousand_properties_are_refused() -> None:
    many = {str(number): 0 for number in range(10_001)}
    with pytest.raises(Unacceptable) as caught:
        validate(track(properties=many), reception(max_event_bytes=10**6))
    assert caught.value.code == "too_many_properties"


@accepts("B59")
@pytest.mark.parametrize(
    ("given_id", "stored"),
    [(7, "7"), (7.0, "7"), (" u ", "u"), (2**60, str(2**60)), ("0", "0")],
)
def test_ids_become_text(given_id: Any, stored: str) -> None:
    assert validate(track(userId=given_id), reception()).user_id == stored


@accepts("B62")
def test_the_route_gives_the_type_and_contradiction_is_an_error() -> None:
    assert validate({"userId": "u"}, reception(route_type="page")).type == "page"
    with pytest.raises(Unacceptable, match="sent to page"):
        validate(track(), reception(route_type="page"))


def test_fields_without_a_column_are_kept_in_extra() -> None:
    event = validate(track(channel="server", _metadata={"a": 1}, name=5), reception())
    assert event.extra == {
        "channel": "server",
        "_metadata": {"a": 1},
        "name": 5,
    }
    assert validate(track(), reception()).extra is None


def test_rudderstack_traits_are_found_in_the_context() -> None:
    raw = {"type": "identify", "userId": "u", "context": {"traits": {"a": 1}}}
    assert validate(raw, reception()).traits == {"a": 1}
    assert validate({**raw, "traits": {"b": 2}}, reception()).traits == {"b": 2}


@accepts("B67")
def test_the_clock_of_the_client_is_corrected() -> None:
    event = validate(
        track(timestamp="2026-11-22T11:00:00Z"),
        reception(sent=sent("2026-11-22T11:30:00Z")),
    )
    assert time_of(event.timestamp) == NOW - timedelta(minutes=30)
    assert event.original_timestamp is not None
    assert time_of(event.original_timestamp) == datetime(2026, 11, 22, 11, tzinfo=UTC)
    assert event.flags == []


@accepts("B67")
@pytest.mark.parametrize(
    ("days", "corrected"), [(29, True), (-29, True), (31, False), (-31, False)]
)
def test_a_clock_is_believed_to_be_wrong_by_thirty_days(
    days: int, corrected: bool
) -> None:
    skew = timedelta(days=days)
    event = validate(
        track(timestamp="2026-06-01T00:00:00Z"),
        reception(sent=sent((NOW - skew).isoformat())),
    )
    original = datetime(2026, 6, 1, tzinfo=UTC)
    assert time_of(event.timestamp) == original + skew * corrected
    assert event.flags == ([] if corrected else ["clock_skew"])


@pytest.mark.parametrize(
    ("changes", "sent_at", "expected", "flag"),
    [
        case("B66 a word", {"timestamp": "yesterday"}, None, NOW, "bad_timestamp"),
        case("B66 a number", {"timestamp": 1e18}, None, NOW, "bad_timestamp"),
        case(
            "B66 no day",
            {"timestamp": "2024-02-30T00:00:00Z"},
            None,
            NOW,
            "bad_timestamp",
        ),
        case(
            "B66 year 12345",
            {"timestamp": "12345-01-01T00:00:00Z"},
            None,
            NOW,
            "bad_timestamp",
        ),
        case(
            "B66 leap second",
            {"timestamp": "2016-12-31T23:59:60Z"},
            None,
            NOW,
            "bad_timestamp",
        ),
        case(
            "B66 before year 1",
            {"timestamp": "0001-01-01T00:00:00+05:00"},
            None,
            NOW,
            "bad_timestamp",
        ),
        case("B66 week", {"timestamp": "2024-W01-1"}, None, NOW, "bad_timestamp"),
        case(
            "B66 offset",
            {"timestamp": "2026-11-22T12:00:00+25:00"},
            None,
            NOW,
            "bad_timestamp",
        ),
        case(
            "B68 in ten years",
            {"timestamp": "2036-01-01T00:00:00Z"},
            None,
            NOW,
            "future_timestamp",
        ),
        case(
            "B67 sent years ago",
            {"timestamp": "2026-11-01T00:00:00Z"},
            "2020-01-01T00:00:00Z",
            datetime(2026, 11, 1, tzinfo=UTC),
            "clock_skew",
        ),
        case(
            "B67 out of range when corrected",
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
    event = validate(track(**changes), reception(sent=sent(sent_at)))
    assert time_of(event.timestamp) == expected
    assert event.flags == [flag]


@accepts("B66")
def test_a_time_that_cannot_be_read_is_kept_as_it_was() -> None:
    event = validate(track(timestamp="yesterday", sentAt="now"), reception())
    assert event.extra == {
        "originalTimestamp": "yesterday",
        "sentAt": "now",
    }
    both = track(
        timestamp="2026-11-01T00:00:00Z", originalTimestamp="2026-11-02T00:00:00Z"
    )
    assert validate(both, reception()).extra == {"timestamp": "2026-11-01T00:00:00Z"}


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
    assert parse_time(text) == micros(expected)


@given(st.dictionaries(st.text(max_size=12), json_values, max_size=8))
def test_whatever_json_arrives_is_stored_or_refused_by_name(
    raw: dict[str, Any],
) -> None:
    try:
        result: Event | Unacceptable = validate({**track(), **raw}, reception())
    except Unacceptable as reason:
        result = reason
    assert isinstance(result, Event) or (result.code and result.detail)


@given(st.dictionaries(text, json_values, max_size=8))
def test_properties_are_stored_without_loss(properties: dict[str, Any]) -> None:
    request = Request([track(properties=properties)], BATCH, None, None)
    rows = make_rows(request, reception(max_event_bytes=10**6), max_events=1)
    assert json.loads(rows.lines)["properties"] == properties


@accepts("B64")
@pytest.mark.parametrize("blank", [None, "", "   ", "\u2003"])
def test_a_blank_message_id_is_replaced(blank: str | None) -> None:
    first, second = (
        validate(track(messageId=blank), reception()).message_id for _ in range(2)
    )
    assert first != second
    assert len(first) == 36


def test_integrations_may_hold_options() -> None:
    wishes = {"All": False, "X": True, "Y": {"session": 1}, "Z": None}
    event = validate(track(integrations=wishes), reception())
    assert event.integrations == wishes


@accepts("B60")
@pytest.mark.parametrize(
    "user_id", ["null", "undefined", "NaN", "0", "anonymous", "0000-0000"]
)
def test_ids_that_mean_nobody_are_stored_for_the_warehouse_to_judge(
    user_id: str,
) -> None:
    assert validate(track(userId=user_id), reception()).user_id == user_id


@accepts("B50")
@pytest.mark.parametrize(
    "key",
    [
        "",
        " ",
        300 * "k",
        "a.b",
        'a"b',
        "__proto__",
        "constructor",
        "userId ",
    ],
)
def test_any_key_is_kept_as_it_is(key: str) -> None:
    event = validate(track(properties={key: 1}, traits={key: 2}), reception())
    assert event.properties == {key: 1}
    assert event.traits == {key: 2}


@accepts("B70")
@pytest.mark.parametrize(
    ("consent", "flags"),
    [
        ({}, []),
        ({"consent": None}, []),
        ({"consent": {"categoryPreferences": {"C0001": True, "C0002": False}}}, []),
        ({"consentManagement": {"allowedConsentIds": ["C1"], "provider": "x"}}, []),
        ({"consent": "yes"}, ["bad_consent"]),
        ({"consent": {"categoryPreferences": "yes"}}, ["bad_consent"]),
        ({"consent": {"categoryPreferences": {"C1": "true"}}}, ["bad_consent"]),
        ({"consentManagement": []}, ["bad_consent"]),
        ({"consentManagement": {"deniedConsentIds": "C1"}}, ["bad_consent"]),
        ({"consentManagement": {"allowedConsentIds": [1]}}, ["bad_consent"]),
    ],
)
def test_consent_that_cannot_be_read_is_flagged(
    consent: dict[str, Any], flags: list[str]
) -> None:
    assert validate(track(context=consent), reception()).flags == flags


@pytest.mark.parametrize("levels", range(60, 70))
@pytest.mark.parametrize("where", ["properties", "context", "unknown"])
def test_few_brackets_or_many_depth_is_the_same(levels: int, where: str) -> None:
    value: Any = {}
    for _ in range(levels - 2):
        value = {"in": value, "wide": levels % 3 * [0]}
    request = Request([track(**{where: value})], BATCH, None, None)
    (row,) = make_rows(request, reception(), max_events=1).rows
    assert (type(row) is Event) == (levels <= 65)
    if type(row) is Quarantined:
        assert row.code == "too_deep"
        assert "64 levels" in row.detail


@given(st.integers(0, 30_000), st.sampled_from(["properties", "name", "unknown"]))
def test_the_size_limit_is_exact(length: int, where: str) -> None:
    value: Any = {"a": length * "é"} if where == "properties" else length * "é"
    raw = track(**{where: value})
    size = len(json.dumps(raw, ensure_ascii=False, separators=(",", ":")).encode())
    (row,) = rows_of(raw).rows
    assert (type(row) is Event) == (size <= 32_768)
    if type(row) is Quarantined:
        assert row.code == "event_too_large"
        assert row.detail.startswith(f"{size} bytes")


def test_what_a_function_of_the_project_returns_never_breaks_the_batch() -> None:
    events: list[Any] = [
        track(properties={"a": {1}}),
        track(properties={1: 2}),
        track(properties={"a": "\ud800"}),
        track(properties={"\ud800": {1}}),
        object(),
        track(),
    ]
    rows = rows_of(*events)
    codes = [getattr(row, "code", row.source_id) for row in rows.rows]
    assert codes == ["not_json", "not_json", "shop", "bad_key", "not_json", "shop"]
    lines = [json.loads(line) for line in rows.lines.splitlines()]
    assert lines[2]["properties"] == {"a": "\N{REPLACEMENT CHARACTER}"}
    assert lines[2]["flags"] == ["lone_surrogate"]
    assert rows.fates == {"": 2, "not_json": 3, "bad_key": 1}


def test_what_is_no_json_is_found_also_where_nobody_looked_for_it() -> None:
    events: list[Any] = [track(properties={"a": object()}), track()]
    rows = make_rows(Request(events, BATCH, None, None), reception(), max_events=9)
    assert rows.fates == {"": 1, "not_json": 1}
