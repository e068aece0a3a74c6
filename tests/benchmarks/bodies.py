"""Realistic requests: about a kilobyte an event, no two alike, the same every time."""

from __future__ import annotations

import random
import uuid
from pathlib import Path
from typing import Any

import orjson

EVENTS = 2_000
BATCH = 100
_PRODUCTS = ("Linen shirt", "Wool socks", "Rain jacket", "Straw hat", "Canvas shoes")
_AGENTS = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like "
    "Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
)


def events() -> list[dict[str, Any]]:
    """What a shop's server sends of its visitors."""
    chance = random.Random(7)  # noqa: S311 - the same bodies every time
    return [_event(chance) for _ in range(EVENTS)]


def write_bodies(path: Path, *, batched: bool) -> None:
    """One request body a line, for the load generator."""
    sent = events()
    bodies: list[Any] = sent
    if batched:
        bodies = [
            {"batch": sent[start : start + BATCH], "sentAt": "2026-11-22T12:00:01.250Z"}
            for start in range(0, len(sent), BATCH)
        ]
    path.write_bytes(b"".join(orjson.dumps(body) + b"\n" for body in bodies))


def _event(chance: random.Random) -> dict[str, Any]:
    product = chance.choice(_PRODUCTS)
    number = chance.randrange(100_000)
    page = f"/products/{number}"
    return {
        "type": "track",
        "event": chance.choice(("Product Viewed", "Product Added")),
        "messageId": f"ajs-next-{uuid.UUID(int=chance.getrandbits(128))}",
        "userId": f"customer-{chance.randrange(1_000_000)}",
        "anonymousId": str(uuid.UUID(int=chance.getrandbits(128))),
        "timestamp": f"2026-11-22T12:00:{chance.randrange(60):02d}."
        f"{chance.randrange(1000):03d}Z",
        "properties": {
            "product_id": f"p{number}",
            "name": product,
            "category": chance.choice(("clothes", "shoes", "sale")),
            "price": chance.randrange(100_000) / 100,
            "currency": "EUR",
            "quantity": chance.randrange(1, 5),
            "position": chance.randrange(50),
            "in_stock": chance.random() < 0.9,
            "tags": ["new", product.lower()],
        },
        "context": {
            "ip": f"203.0.113.{chance.randrange(256)}",
            "userAgent": chance.choice(_AGENTS),
            "locale": chance.choice(("en-GB", "de-DE", "fr-FR")),
            "timezone": "Europe/Berlin",
            "library": {"name": "analytics.js", "version": "next-1.84.3"},
            "page": {
                "path": page,
                "referrer": "https://www.example.com/search",
                "search": f"?ref={chance.randrange(10_000)}",
                "title": f"{product} - Example Shop",
                "url": f"https://shop.example.com{page}",
            },
            "campaign": {
                "source": "newsletter",
                "medium": "email",
                "name": f"week-{chance.randrange(52)}",
            },
        },
        "integrations": {},
    }
