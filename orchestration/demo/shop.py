"""The customers of a made-up shop and everything they do, as calls of Segment's SDK.

The story is the same every time (one seed, message ids by counter), so sending it twice
sends duplicates. Only the times move: it always covers the sixty days before now.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

SHOPPERS = 260
PASSERS_BY = 120
DAYS = 60

FIRST_NAMES = (
    *("Ada", "Boris", "Chen", "Dora", "Emil", "Fatima"),
    *("Goran", "Hana", "Ivo", "Jana", "Karim", "Lena"),
)
LAST_NAMES = (
    *("Abel", "Berg", "Costa", "Dahl", "Eder", "Faber"),
    *("Gruber", "Horn", "Ito", "Jensen", "Kaya", "Lund"),
)
COUNTRIES = ("AT", "CH", "DE", "FR", "SE")
COMPANIES = ("Acorn", "Birch", "Cedar", "Dogwood", "Elm", "Fir", "Ginkgo", "Hazel")
PRODUCTS = [
    (f"sku-{number:02d}", f"{category} {number}", category, 9 + number * 7.5)
    for number, category in enumerate(("Tents", "Lamps", "Boots", "Maps") * 8)
]


@dataclass(frozen=True)
class Call:
    """One call of the SDK: the method's name and its arguments."""

    method: str
    arguments: dict[str, Any]


@dataclass
class Shop:
    """Plays the story, day by day; `calls` holds what the SDK is to be told."""

    now: datetime
    random: random.Random = field(default_factory=lambda: random.Random(20))  # noqa: S311 - a story, not a secret
    calls: list[Call] = field(default_factory=list)
    orders: int = 0

    def play(self) -> list[Call]:
        """All calls, in the order in which they reach the collector."""
        for number in range(SHOPPERS):
            self._shopper(number)
        for number in range(PASSERS_BY):
            self._visit(f"passer-by-{number}", None, self._some_day())
        self._family()
        self.calls.sort(key=lambda call: call.arguments["timestamp"])
        self._number_messages()
        late = self._late_events()
        return [*self.calls, *self._bad_events(), *self._duplicates(), *late]

    def _shopper(self, number: int) -> None:
        """Visits unknown, signs up, comes back on a second device, orders."""
        user = f"user-{number:04d}"
        laptop, phone = f"laptop-{number}", f"phone-{number}"
        joined = self._some_day()
        self._visit(laptop, None, joined - timedelta(hours=2))
        self._sign_up(user, laptop, joined, number)
        if number % 6 == 0:
            self._join_company(user, joined, number)
        if self.random.random() < 0.6:
            back = joined + timedelta(hours=self.random.randint(3, 60))
            self._visit(phone, None, back)
            self._sign_in(user, phone, back + timedelta(minutes=20))
        for _ in range(self.random.choice((0, 0, 1, 1, 1, 2, 3, 5))):
            self._order(user, joined + timedelta(hours=self.random.randint(1, 300)))
        if number % 20 == 0:
            self._call("alias", joined, previous_id=f"app-{number}", user_id=user)

    def _visit(self, device: str, user: str | None, start: datetime) -> None:
        who = {"anonymous_id": device, "user_id": user}
        pages = {"path": "/", "url": "https://shop.example/", "title": "Outdoor shop"}
        self._call("page", start, name="Home", properties=pages, **who)
        for step in range(self.random.randint(1, 4)):
            at = start + timedelta(minutes=1 + step)
            product = self._product_viewed(who, at)
            if self.random.random() < 0.3:
                self._product_added(who, at + timedelta(seconds=20), product)

    def _sign_up(self, user: str, device: str, at: datetime, number: int) -> None:
        first = FIRST_NAMES[number % len(FIRST_NAMES)]
        last = LAST_NAMES[number // len(FIRST_NAMES) % len(LAST_NAMES)]
        traits = {
            "email": f"{first}.{last}.{number}@example.com",
            "first_name": first,
            "last_name": last,
            "phone": f"+43660{number:07d}",
            "marketing_consent": number % 9 < 5,
            "country": COUNTRIES[number % len(COUNTRIES)],
        }
        who = {"user_id": user, "anonymous_id": device}
        method = self.random.choice(("email", "google", "apple"))
        self._call("identify", at, traits=traits, **who)
        self._track("Signed Up", at, {"method": method}, **who)

    def _sign_in(self, user: str, device: str, at: datetime) -> None:
        who = {"user_id": user, "anonymous_id": device}
        self._call("identify", at, traits={}, **who)
        self._track("Signed In", at, {"method": "email"}, **who)

    def _join_company(self, user: str, at: datetime, number: int) -> None:
        company = COMPANIES[number % len(COMPANIES)]
        traits = {"name": f"{company} Ltd", "plan": "team", "employees": 10 + number}
        self._call("group", at, user_id=user, group_id=company.lower(), traits=traits)

    def _order(self, user: str, at: datetime) -> None:
        who = {"user_id": user, "anonymous_id": None}
        self.orders += 1
        order_id = f"order-{self.orders:05d}"
        lines = []
        for line in range(self.random.randint(1, 3)):
            product = self._product_viewed(who, at + timedelta(minutes=line))
            lines.append(
                self._product_added(who, at + timedelta(minutes=line + 1), product)
            )
        total = round(sum(line["price"] * line["quantity"] for line in lines), 2)
        done = at + timedelta(minutes=10)
        order = {"order_id": order_id, "total": total, "currency": "EUR"}
        if self.random.random() < 0.2:
            order["coupon"] = "AUTUMN"
        self._track("Order Completed", done, {**order, "products": lines}, **who)
        if self.random.random() < 0.1:
            refund = {**order, "reason": "did not fit"}
            refund.pop("coupon", None)
            self._track("Order Refunded", done + timedelta(days=1), refund, **who)

    def _family(self) -> None:
        """Two people share a computer: their accounts must stay two people."""
        start = self.now - timedelta(days=20)
        for hours, (user, number) in enumerate((("user-mum", 900), ("user-dad", 901))):
            at = start + timedelta(hours=5 * hours)
            self._visit("family-computer", None, at)
            self._sign_up(user, "family-computer", at + timedelta(minutes=30), number)
            self._order(user, at + timedelta(hours=1))

    def _product_viewed(self, who: dict[str, Any], at: datetime) -> dict[str, Any]:
        sku, name, category, price = self.random.choice(PRODUCTS)
        product = {"product_id": sku, "name": name, "price": price}
        self._track(
            "Product Viewed",
            at,
            {**product, "category": category, "currency": "EUR"},
            **who,
        )
        return product

    def _product_added(
        self, who: dict[str, Any], at: datetime, product: dict[str, Any]
    ) -> dict[str, Any]:
        line = {**product, "quantity": self.random.randint(1, 3)}
        cart = f"cart-{who['user_id'] or who['anonymous_id']}"
        self._track(
            "Product Added", at, {**line, "cart_id": cart, "currency": "EUR"}, **who
        )
        return line

    def _late_events(self) -> list[Call]:
        """Events that happened days ago on devices that were offline since."""
        return [
            self._numbered(
                Call(
                    "page",
                    {
                        "anonymous_id": f"phone-{number}",
                        "user_id": f"user-{number:04d}",
                        "name": "Offline guide",
                        "properties": {"path": "/guide"},
                        "timestamp": self.now - timedelta(days=12, minutes=number),
                    },
                ),
                f"late-{number:04d}",
            )
            for number in range(25)
        ]

    def _bad_events(self) -> list[Call]:
        """What no warehouse can store, and what breaks the tracking plan."""
        at = self.now - timedelta(days=1)
        nested: dict[str, Any] = {}
        for _ in range(80):
            nested = {"inside": nested}
        faults: list[tuple[str, str, str, dict[str, Any]]] = [
            *[("no-name", "user-0001", "", {})] * 12,
            *[("long-id", "x" * 300, "Signed In", {"method": "email"})] * 6,
            *[("too-deep", "user-0002", "Signed In", {"nested": nested})] * 4,
            *self._plan_breakers(),
        ]
        return [
            self._numbered(
                Call(
                    "track",
                    {
                        "user_id": user,
                        "event": event,
                        "properties": properties,
                        "timestamp": at + timedelta(seconds=number),
                    },
                ),
                f"{fault}-{number:04d}",
            )
            for number, (fault, user, event, properties) in enumerate(faults)
        ]

    def _plan_breakers(self) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
        order = {"order_id": "order-x", "total": 20.0, "currency": "EUR"}
        for number in range(5):
            user = f"user-{number:04d}"
            yield "total", user, "Order Completed", {**order, "total": "20,00"}
            yield "no-id", user, "Order Completed", {"total": 20.0, "currency": "EUR"}
            yield "negative", user, "Order Completed", {**order, "total": -5}
            yield "currency", user, "Order Refunded", {**order, "currency": "euro"}
            yield "method", user, "Signed Up", {"method": "carrier pigeon"}
            yield "debug", user, "Signed In", {"method": "email", "debug": True}
            yield "unplanned", user, "Cart Exploded", {"loudness": 11}

    def _duplicates(self) -> list[Call]:
        """What an SDK sends again when an answer was lost on the way."""
        return self.calls[100:175]

    def _some_day(self) -> datetime:
        hours = self.random.randint(24 * 15, 24 * DAYS)
        return self.now - timedelta(hours=hours, minutes=self.random.randint(0, 59))

    def _track(
        self, event: str, at: datetime, properties: dict[str, Any], **who: Any
    ) -> None:
        self._call("track", at, event=event, properties=properties, **who)

    def _call(self, method: str, at: datetime, **arguments: Any) -> None:
        self.calls.append(Call(method, {**arguments, "timestamp": at}))

    def _number_messages(self) -> None:
        self.calls = [
            self._numbered(call, f"{number:05d}")
            for number, call in enumerate(self.calls)
        ]

    def _numbered(self, call: Call, number: str) -> Call:
        return Call(call.method, {**call.arguments, "message_id": f"demo-{number}"})
