"""Whatever arrives is answered, costs its neighbours nothing, and is accounted for."""

from __future__ import annotations

import base64
import gzip
import http.client
import itertools
import json
from collections import Counter
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.collector.acceptance import accepts
from tests.collector.mutations import EVENTS, damaged, encode, envelope, mutated
from tests.collector.test_metrics import numbers
from tests.raw import read_raw
from tests.servers import CollectorProcess, basic, running_collector

ROUTES = ["track", "identify", "page", "screen", "group", "alias", "merge", "import"]
KEYS = ["test-write-key", "web-key"]
GOOD = {"type": "track", "userId": "u", "event": "E", "properties": {"n": 1}}
EXAMPLES = [
    pytest.param(60, True, id="ordinary"),
    pytest.param(5_000, False, id="long", marks=pytest.mark.slow),
]

events = st.sampled_from(EVENTS).flatmap(mutated)
batches = st.lists(events, max_size=3).map(envelope)
bodies = (
    events.map(encode)
    | batches.map(encode)
    | batches.flatmap(mutated).map(encode)
    | batches.map(encode).flatmap(damaged)
    | events.map(encode).flatmap(damaged)
    | st.binary(max_size=200)
)

flat_queries = st.dictionaries(
    st.sampled_from(["userId", "event", "messageId", "context.ip", "properties.a"])
    | st.text(),
    st.sampled_from(["u", "E", "NaN", "properties.a", ""]) | st.text(),
    max_size=6,
)


class Client:
    """One keep-alive connection, as SDKs have it; every request must be answered."""

    def __init__(self, collector: CollectorProcess) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", collector.port)

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def post(self, path: str, body: bytes, *, key: str, **headers: str) -> int:
        headers["authorization"] = basic(key)
        self._connection.request("POST", f"/v1/{path}", body, headers)
        with self._connection.getresponse() as answer:
            document = json.loads(answer.read())
        assert answer.status < 500, document
        assert document["success"] is (answer.status == 200)
        if answer.status != 200:
            assert document["code"]
            assert document["message"]
            assert document["request_id"] == answer.headers["x-request-id"]
        return answer.status

    def look(self, kind: str, query: dict[str, str]) -> None:
        """Fetch a pixel: whatever is wrong, an image comes."""
        self._connection.request("GET", f"/v1/pixel/{kind}?{urlencode(query)}")
        with self._connection.getresponse() as answer:
            assert answer.status in (200, 429)  # too many of nobody's
            assert answer.read().startswith(b"GIF89a")


@accepts("B55", "B57", "B59", "B64", "B69")
@pytest.mark.parametrize(("examples", "derandomize"), EXAMPLES)
def test_whatever_arrives_is_answered_and_accounted_for(
    examples: int, derandomize: bool, tmp_path: Path
) -> None:
    unique = itertools.count()
    promised: list[str] = []
    limits = settings(
        max_examples=examples,
        derandomize=derandomize,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )

    with (
        running_collector(tmp_path / "data") as collector,
        closing(Client(collector)) as client,
    ):

        @limits
        @given(events, st.sampled_from(KEYS))
        def neighbours_are_stored(bad: object, key: str) -> None:
            number = next(unique)
            ids = [f"kith-{side}-{number}" for side in ("before", "after")]
            before, after = ({**GOOD, "messageId": name} for name in ids)
            batch = encode(envelope([before, bad, after]))
            assert client.post("batch", batch, key=key) == 200
            promised.extend(ids)

        @limits
        @given(
            bodies,
            st.sampled_from([*ROUTES, *["batch"] * len(ROUTES)]),
            st.sampled_from(KEYS),
            st.booleans(),
            st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
        )
        def everything_is_answered(
            body: bytes, route: str, key: str, is_zipped: bool, header: str
        ) -> None:
            headers = {"anonymousid": header, "sentat": header}
            if is_zipped:
                body, headers["content-encoding"] = gzip.compress(body), "gzip"
            client.post(route, body, key=key, **headers)

        @limits
        @given(
            st.sampled_from(ROUTES[:6]),
            bodies.filter(lambda body: len(body) < 6_000).map(base64.b64encode),
            flat_queries,
        )
        def every_pixel_is_an_image(
            kind: str, data: bytes, query: dict[str, str]
        ) -> None:
            client.look(kind, {"data": data.decode(), "writeKey": "web-key"})
            client.look(kind, {"writeKey": "web-key", **query})

        neighbours_are_stored()
        everything_is_answered()
        every_pixel_is_an_image()
        counted = numbers(collector)

    outcomes: Counter[str] = Counter()
    for (name, *labels), value in counted.items():
        if name == "kith_events_total":
            outcomes[labels[1]] += int(value)
    stored = read_raw(tmp_path / "data" / "raw", "events")
    quarantined = read_raw(tmp_path / "data" / "raw", "quarantine")
    assert outcomes["stored"] == len(stored)
    assert outcomes["quarantined"] == len(quarantined)
    assert outcomes["received"] == len(stored) + len(quarantined) + outcomes["refused"]
    assert quarantined, "nothing was bad"
    found = Counter(row["message_id"] for row in stored)
    assert [found[name] for name in promised] == [1] * len(promised)
    assert len(promised) >= 2 * examples
