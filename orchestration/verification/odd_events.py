"""Events that hold what engines read in ways of their own.

Numbers that a double cannot hold, texts that look like numbers, times, JSON or SQL,
keys that hold what paths are written with, and people told by all of it. Real clients
send such things one by one; here they come together.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

NUMBERS: Sequence[Any] = (
    *(0, -0.0, 1, -1, 1.0, 0.1, 2.5, 1e16, 1.5e300, 5e-324, 12345678.5, 1e-7),
    *(
        9007199254740993,
        -9223372036854775808,
        9223372036854775807,
        20000000000000000000,
    ),
    *(0.30000000000000004, 123456789.123456789, 2.2250738585072014e-308, 1e21, 99.995),
)
TEXTS: Sequence[str] = (
    *("", " ", "  padded  ", "null", "NULL", "None", "true", "0", "007", "1e3", "NaN"),
    *(
        "it's",
        'say "hi"',
        "back\\slash",
        "\\n",
        "line\nbreak",
        "tab\there",
        "\r\n",
        "%_",
    ),
    *(
        "ÅÄÖ",
        "ß",
        "İstanbul",
        "日本語",
        "👩‍👧",
        "e\u0301",
        "\u200b",
        "\u00a0x",
        "\x01",
        "\x7f",
    ),
    *("{}", "[]", '{"a": 1}', "$.a", "${x}", "{{ x }}", "--", "/* */", "a\u2028b", "?"),
    *("2026-11-01", "2026-11-01T12:00:00Z", "2026-02-30T00:00:00Z", "2026-11-01 12:00"),
    *("2026-11-01T12:00:00.123456789+05:30", "0001-01-01T00:00:00Z", "12:00", "20,00"),
    *(
        "EUR",
        "eur",
        "12.30",
        "-5",
        "1_000",
        "0x10",
        "\uff11\uff12",
        "1e400",
        "Infinity",
    ),
    "x" * 300,
    *("a@example.com", "A@Example.COM ", "not@", "http://x.example/?q=1#f", "10.0.0.1"),
    *("7b3f1c9e-5a1d-4f0e-9c1b-2a4d6e8f0a1c", "::1", "+43 660 1234567"),
)
KEYS: Sequence[str] = (
    *("plain", "with space", "with.dot", "with'quote", 'with"quote', "with\\slash"),
    *("$dollar", "[0]", "a[].b", "*", "@", "?", "#", "ÜNI", "ключ", "0", "null", "%s"),
    *("email", "order_id", "total", "products", "CASE", "case", "line\nbreak", "{{x}}"),
)
PLANNED = (
    *("Order Completed", "Order Refunded", "Product Added", "Product Viewed"),
    *("Signed In", "Signed Up", "Unheard Of", "  padded  ", "order completed"),
)
PROPERTIES = (
    *("order_id", "total", "currency", "coupon", "products", "reason", "method"),
    *("cart_id", "product_id", "name", "price", "quantity", "category", "path"),
)
TYPES = ("track", "track", "track", "identify", "page", "screen", "group", "alias")


def odd_events(number: int, *, until: datetime, seed: int) -> list[dict[str, Any]]:
    """So many raw events of the days before `until`, as a client would send them."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    return list(_OddClient(chance, until, people=10 + number // 10).events(number))


class _OddClient:
    def __init__(self, chance: random.Random, until: datetime, *, people: int) -> None:
        self._chance = chance
        self._until = until
        self._people = people

    def events(self, number: int) -> Iterator[dict[str, Any]]:
        for place in range(number):
            event = self._event(place)
            yield event
            if self._chance.random() < 0.02:
                yield event

    def _event(self, place: int) -> dict[str, Any]:
        chance = self._chance
        kind = chance.choice(TYPES)
        happened = self._until - timedelta(seconds=chance.randrange(30 * 86_400))
        event: dict[str, Any] = {
            "type": kind,
            "messageId": f"odd-{place:07d}",
            "timestamp": happened.isoformat(),
            "context": self._context(),
            **self._who(),
        }
        if kind == "track":
            event["event"] = chance.choice((*PLANNED, chance.choice(TEXTS)))
        if kind in ("page", "screen"):
            event["name"] = chance.choice(TEXTS)
        if kind == "group":
            event["groupId"] = chance.choice(("acorn", "birch", chance.choice(TEXTS)))
        if kind == "alias":
            event["previousId"] = f"odd-phone-{self._somebody()}"
        where = "traits" if kind in ("identify", "group") else "properties"
        event[where] = self._properties()
        if chance.random() < 0.05:
            event[chance.choice(KEYS)] = self._value(2)
        return event

    def _who(self) -> dict[str, Any]:
        chance = self._chance
        who: dict[str, Any] = {}
        if chance.random() < 0.7:
            who["anonymousId"] = f"odd-phone-{self._somebody()}"
        if chance.random() < 0.5 or not who:
            known = (f"Odd User {self._somebody()}", *TEXTS)
            who["userId"] = known[0] if chance.random() < 0.8 else chance.choice(known)
        return who

    def _somebody(self) -> int:
        return self._chance.randrange(self._people)

    def _context(self) -> dict[str, Any]:
        chance = self._chance
        context: dict[str, Any] = {"library": {"name": "odd", "version": "1.0"}}
        if chance.random() < 0.3:
            context["device"] = {
                "id": f"device-{self._somebody()}",
                "type": chance.choice(("ios", "android", "Android", 1, None)),
                "token": chance.choice(("", "token", None)),
                "adTrackingEnabled": chance.choice((True, False, "true")),
                "advertisingId": f"ad-{self._somebody()}",
            }
        if chance.random() < 0.2:
            context["traits"] = {"email": f"Odd.{self._somebody()}@Example.com"}
        if chance.random() < 0.1:
            context["protocols"] = {
                "event_version": chance.choice((1, "1", 2, "x", 1.0))
            }
        if chance.random() < 0.2:
            context["externalIds"] = [
                {"id": chance.choice(TEXTS), "type": chance.choice(TEXTS)}
                for _ in range(chance.randrange(3))
            ]
        if chance.random() < 0.3:
            context[chance.choice(KEYS)] = self._value(3)
        return context

    def _properties(self) -> dict[str, Any]:
        chance = self._chance
        found = {
            chance.choice((*PROPERTIES, *KEYS)): self._value(3)
            for _ in range(chance.randrange(6))
        }
        if chance.random() < 0.3:
            found["email"] = f" Odd.{self._somebody()}@example.com"
        if chance.random() < 0.4:  # some that keep to the plan, with odd numbers
            found |= {
                "order_id": f"odd-{chance.randrange(500)}",
                "total": chance.choice((10, 10.5, 99.995, 0.1, 12345678.25)),
                "currency": "EUR",
            }
        return found

    def _value(self, depth: int) -> Any:
        chance = self._chance
        kind = chance.randrange(10 if depth else 7)
        if kind < 3:
            return chance.choice(NUMBERS)
        if kind < 6:
            return chance.choice(TEXTS)
        if kind == 6:
            return chance.choice((True, False, None))
        if kind == 7:
            return [self._value(depth - 1) for _ in range(chance.randrange(4))]
        return {
            chance.choice(KEYS): self._value(depth - 1)
            for _ in range(chance.randrange(4))
        }
