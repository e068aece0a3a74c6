"""What the strict reading refuses, and what a patient one saves of a batch."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector import strict_json, wire
from collector.errors import Refused
from collector.ingest import Quarantined, encode, make_rows
from collector.validate import Event, Reception
from tests.collector.acceptance import accepts
from tests.collector.mutations import EVENTS, damaged, mutated
from tests.collector.mutations import encode as sent

RECEPTION = Reception(
    source_id="shop",
    request_id="r1",
    received_at=1_795_000_000_000_000,
    sent=(None, None),
    route_type=None,
    max_event_bytes=32_768,
)


def event(value: bytes, message_id: bytes = b"m") -> bytes:
    return (
        b'{"type":"track","userId":"u","event":"E","messageId":"%s",'
        b'"properties":{"v":%s}}' % (message_id, value)
    )


def rows_of(body: bytes, route: str = wire.BATCH) -> list[Event | Quarantined]:
    return make_rows(wire.parse(body, route), RECEPTION, max_events=100).rows


def beside_a_good_one(value: bytes) -> Event | Quarantined:
    """The row of an event in a batch whose other event must not suffer."""
    body = b'{"batch":[%s,%s]}' % (event(value), event(b"1", b"good"))
    odd, good = rows_of(body)
    assert isinstance(good, Event)
    assert (good.message_id, good.properties, good.flags) == ("good", {"v": 1}, [])
    return odd


@accepts("B40", "B41")
@pytest.mark.parametrize("literal", [b"NaN", b"Infinity", b"-Infinity", b"1e400"])
def test_a_number_that_is_none_costs_only_its_event(literal: bytes) -> None:
    row = beside_a_good_one(literal)
    assert isinstance(row, Quarantined)
    assert (row.code, row.path) == ("not_a_number", "properties.v")
    assert json.loads(row.payload)["properties"] == {"v": literal.decode()}
    with pytest.raises(Refused) as refused:
        rows_of(event(literal), "track")
    assert (refused.value.status, refused.value.code) == (400, "invalid_json")


@accepts("B44")
def test_half_an_emoji_is_replaced_in_a_batch_and_refused_alone() -> None:
    row = beside_a_good_one(b'"shirt \\ud83d"')
    assert isinstance(row, Event)
    assert row.flags == ["lone_surrogate"]
    assert row.properties == {"v": "shirt \N{REPLACEMENT CHARACTER}"}
    with pytest.raises(Refused) as refused:
        rows_of(event(b'"shirt \\ud83d"'), "track")
    assert (refused.value.status, refused.value.code) == (400, "invalid_json")
    whole = beside_a_good_one(b'"\\ud83d\\ude00"')
    assert isinstance(whole, Event)
    assert whole.flags == []


@accepts("B43")
@pytest.mark.parametrize("key", [b"a\\u0000b", b"\\udc00"])
def test_a_key_that_no_reader_can_name_is_quarantined(key: bytes) -> None:
    row = beside_a_good_one(b'{"%s":1}' % key)
    assert isinstance(row, Quarantined)
    assert (row.code, row.path) == ("bad_key", "properties.v")


@accepts("B41", "B42")
@pytest.mark.parametrize(
    ("digits", "stored", "flags"),
    [
        ("9223372036854775807", 2**63 - 1, []),
        ("-9223372036854775808", -(2**63), []),
        ("9223372036854775808", "9223372036854775808", ["number_overflow"]),
        ("18446744073709551616", "18446744073709551616", ["number_overflow"]),
        ("-9223372036854775809", "-9223372036854775809", ["number_overflow"]),
        ("1" + 400 * "0", "1" + 400 * "0", ["number_overflow"]),
        ("9007199254740993", 9007199254740993, []),
        ("1.000000000000000005", 1.0, []),
        ("-0", 0, []),
        ("1e-400", 0.0, []),
        ('"12345678901234567890"', "12345678901234567890", []),
    ],
)
def test_numbers_keep_every_digit(digits: str, stored: Any, flags: list[str]) -> None:
    for body, route in (
        (b'{"batch":[%s]}' % event(digits.encode()), wire.BATCH),
        (event(digits.encode()), "track"),
        (event(b" " + digits.encode()), "track"),
    ):
        (row,) = rows_of(body, route)
        assert isinstance(row, Event)
        assert (row.properties or {})["v"] == stored
        assert row.flags == flags


@accepts("B41")
def test_a_huge_integer_in_the_place_of_text_is_a_number() -> None:
    def row(**changes: int | dict[str, int]) -> Event | Quarantined:
        raw = {"type": "track", "userId": "u", "event": "E", "messageId": "m"}
        body = json.dumps({"batch": [{**raw, **changes}]}).encode()
        (found,) = rows_of(body)
        assert encode([found])
        return found

    for field, code in (("event", "bad_event_name"), ("messageId", "bad_message_id")):
        quarantined = row(**{field: 2**63})
        assert isinstance(quarantined, Quarantined)
        assert (quarantined.code, quarantined.path) == (code, field)
    event = row(
        name=2**63, userId=2**63, context={"library": 2**63, "userAgent": 2**63}
    )
    assert isinstance(event, Event)
    assert (event.name, event.user_agent, event.user_id) == (None, None, str(2**63))
    assert event.extra == {"name": str(2**63)}


@accepts("B41")
def test_a_number_of_thousands_of_digits_is_none() -> None:
    row = beside_a_good_one(5_000 * b"9")
    assert isinstance(row, Quarantined)
    assert row.code == "not_a_number"


def test_what_the_batch_says_of_all_counts_for_each() -> None:
    body = b'{"context":{"a":NaN},"sentAt":"\\ud800","writeKey":"\\ud800","batch":[%s]}'
    request = wire.parse(body % event(b"1"), wire.BATCH)
    assert request.write_key == request.sent_at == "\N{REPLACEMENT CHARACTER}"
    (row,) = make_rows(request, RECEPTION, max_events=1).rows
    assert isinstance(row, Quarantined)
    assert (row.code, row.path) == ("not_a_number", "context.a")


@accepts("B39")
@pytest.mark.parametrize("escaped", [True, False])
def test_the_last_of_equal_keys_wins(escaped: bool) -> None:
    key = b"\\u0076" if escaped else b"v"
    (row,) = rows_of(b'{"batch":[%s]}' % event(b'1,"%s":2' % key))
    assert isinstance(row, Event)
    assert row.properties == {"v": 2}


@accepts("B38", "B45", "B48")
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\xff\xfe{\x00}\x00", "invalid_utf8"),
        ('{"a":1}'.encode("utf-16-le"), "invalid_utf8"),
        ('{"a":1}'.encode("utf-16-be"), "invalid_utf8"),
        ('{"a":1}'.encode("utf-32-le"), "invalid_utf8"),
        (b'{"a":"\xc0\xaf"}', "invalid_utf8"),
        (b'{"a":"\xed\xa0\x80"}', "invalid_utf8"),
        (b'{"batch":[1,]}', "invalid_json"),
        (b'{"batch":[NaN,]}', "invalid_json"),
        (b'{"batch":[]} {}', "invalid_json"),
        (b'{"batch":[]}\n{"batch":[]}', "invalid_json"),
        (b"[NaN]", "invalid_json"),
        (b'{"batch":' + 100_000 * b"[" + 100_000 * b"]" + b"}", "too_deep"),
        (b'{"batch":' + 1_025 * b"[" + 1_025 * b"]" + b"}", "too_deep"),
    ],
)
def test_what_no_reading_saves_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        rows_of(body)
    assert (refused.value.status, refused.value.code) == (400, code)


@accepts("B46")
def test_a_byte_order_mark_is_taken_off() -> None:
    (row,) = rows_of(b"\xef\xbb\xbf" + event(b"1"), "track")
    assert isinstance(row, Event)


@accepts("B38")
@pytest.mark.parametrize("levels", [65, 255, 900])
def test_what_nests_too_deep_costs_only_its_event(levels: int) -> None:
    odd_as_well = b"[" * levels + b"12345678901234567890" + b"]" * levels
    for value in (odd_as_well, b"[" * levels + b"]" * levels):
        row = beside_a_good_one(value)
        assert isinstance(row, Quarantined)
        assert row.code == "too_deep"


@given(st.text() | st.binary().map(lambda raw: raw.decode(errors="replace")))
def test_both_readings_agree_wherever_the_strict_one_reads(text: str) -> None:
    body = json.dumps({"batch": [{"text": text}]}).encode(errors="replace")
    patient = strict_json.examine(json.loads(body), alone=False)
    try:
        strict = orjson.loads(body)
    except orjson.JSONDecodeError:
        assert patient.flags == ["lone_surrogate"]
        return
    document = strict_json.load(body).document
    assert document == strict == patient.value


NUMBERS = r"-?(0|[1-9][0-9]{0,21})(\.[0-9]{1,22})?([eE][+-]?[0-9]{1,3})?"
LETTERS = ["a", "é", "\ud83d", "\\ud83d", "\\uDE00", "\\u0000", "\\/", "\\u0076", "{"]
SPACE = st.sampled_from(["", "", " ", "\n\t", "\r"])
scalars = (
    st.sampled_from(["null", "true", "NaN", "-0.0", str(2**63), str(-(2**63)), "1e400"])
    | st.from_regex(NUMBERS, fullmatch=True)
    | st.builds(json.dumps, st.text(), ensure_ascii=st.booleans())
    | st.lists(st.sampled_from(LETTERS)).map("".join).map('"{}"'.format)
)


def containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Lists and objects, some with the same key twice, in any spacing."""
    key = st.sampled_from(['"v"', '"\\u0076"', '"\\u0000"']) | st.text().map(json.dumps)
    item = st.builds("{}{}{}".format, SPACE, inner, SPACE)
    pair = st.builds("{}{}:{}".format, key, SPACE, item)
    return (
        inner.map("[[[{}]]]".format)
        | st.lists(item, max_size=4).map(lambda items: f"[{','.join(items)}]")
        | st.lists(pair, max_size=4).map(lambda pairs: f"{{{','.join(pairs)}}}")
    )


values = st.recursive(scalars, containers, max_leaves=8)
sent_events = (
    values.map(lambda text: event(text.encode(errors="surrogatepass")))
    | values.map(lambda text: text.encode(errors="surrogatepass"))
    | st.sampled_from([raw | {"messageId": "m"} for raw in EVENTS])
    .flatmap(mutated)
    .map(sent)
)


def outcome(body: bytes, route: str) -> bytes | tuple[int, str]:
    """What is written into the log, or the refusal."""
    try:
        rows = rows_of(body, route)
    except Refused as refused:
        return refused.status, refused.code
    for row in rows:
        if isinstance(row, Event) and len(row.message_id) == 36:
            row.message_id = "given by the collector"
    return encode(rows)


@accepts("B38", "B39", "B40", "B41", "B42", "B43", "B44", "B45")
@given(sent_events | sent_events.flatmap(damaged))
def test_the_usual_reading_and_the_patient_ones_store_the_same(raw: bytes) -> None:
    # What is no write key is forgotten, but nested so deep it takes the patient way.
    usual, deep = b'{"writeKey":1,', b'{"writeKey":' + 12 * b"[" + 12 * b"]" + b","
    batch, alone = b'"batch":[%s,%s]}' % (raw, event(b"1", b"good")), raw[1:]
    assert not wire.parse(deep + b'"batch":[1]}', wire.BATCH).is_shallow
    assert outcome(usual + batch, wire.BATCH) == outcome(deep + batch, wire.BATCH)
    assert outcome(usual + alone, "track") == outcome(deep + alone, "track")
