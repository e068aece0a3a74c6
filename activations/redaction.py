"""Secrets taken out of what a tool says, however it writes them.

A tool repeats a request as it stood in an address, a form or JSON, and each of these
escapes other characters. Letters and digits stay as they are everywhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from functools import lru_cache

_LONE = "surrogatepass"
"""A half of a character alone: what an environment variable of other bytes has."""
_PLAIN = re.compile("[A-Za-z0-9]+")


def redact(text: str, secrets: Collection[str]) -> str:
    """The text with `***` in place of each of the secrets."""
    told = [secret for secret in secrets if secret and _longest_word(secret) in text]
    # The longer one first: of a secret that begins like it the rest would be told.
    for secret in sorted(told, key=len, reverse=True):
        text = _written(secret).sub("***", text)
    return text


@lru_cache
def _longest_word(secret: str) -> str:
    """What stands in the text if the secret does: most texts need no closer look."""
    return max(_PLAIN.findall(secret), key=len, default="")


@lru_cache
def _written(secret: str) -> re.Pattern[str]:
    return re.compile("".join(map(_character, secret)))


def _character(character: str) -> str:
    """A pattern of all the ways to write a character."""
    if _PLAIN.fullmatch(character):
        return character
    # Two of them beyond the first 65,536 characters, as JSON has it.
    halves = re.findall("....", character.encode("utf-16-be", _LONE).hex())
    ways = {
        character,
        json.dumps(character)[1:-1],
        "".join(rf"\u{half}" for half in halves),
        "".join(f"%{byte:02x}" for byte in character.encode(errors=_LONE)),
        *({"+", "%2b"} if character == " " else ()),
        *({r"\/"} if character == "/" else ()),
    }
    pattern = "|".join(map(re.escape, sorted(ways, key=len, reverse=True)))
    # What was written so once may be again: an address in another one, JSON in JSON.
    pattern = pattern.replace("%", "%(?:25)*")
    pattern = re.sub(r"(?:\\\\)+", lambda _: r"\\{1,4}", pattern)
    # Digits of hexadecimal numbers are written either way.
    return f"(?i:{pattern})"
