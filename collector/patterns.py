"""The plan's regular expressions, meaning in Python what they mean in the warehouse.

DuckDB searches with RE2, Python with its own engine. What both know is translated
where they differ: `$` ends the text and never a line, and digits, words and spaces are
those of ASCII. What only one of them knows is refused, so that a pattern means one
thing everywhere.
"""

from __future__ import annotations

import re

_SPACE = r"\t\n\f\r "
_WORD = "0-9A-Za-z_"
_CLASSES = {
    "d": "0-9",
    "w": _WORD,
    "s": _SPACE,
}
_EDGE = (
    f"(?:(?<=[{_WORD}])(?![{_WORD}])|(?<![{_WORD}])(?=[{_WORD}]))",
    f"(?:(?<=[{_WORD}])(?=[{_WORD}])|(?<![{_WORD}])(?![{_WORD}]))",
)
_FIRST_FLAGS = re.compile(r"\(\?[is]+\)")
_GROUP = re.compile(r"\(\?(?:[is]*(?:-[is]+)?:|P<[A-Za-z_]\w*>)", re.ASCII)
_REPEAT = re.compile(r"\{\d+(,\d*)?\}", re.ASCII)
MAX_REPEAT = 1_000


class PatternError(Exception):
    """A pattern that cannot be used; the message says why."""


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The pattern, to `search` with; raises `PatternError`."""
    try:
        return re.compile(_translated(pattern))
    except re.error as error:
        raise PatternError(f"it is no regular expression: {error}") from None


def _translated(pattern: str) -> str:
    pieces = []
    at = 0
    if flags := _FIRST_FLAGS.match(pattern):
        pieces.append(flags[0])
        at = flags.end()
    while at < len(pattern):
        character = pattern[at]
        if character == "\\":
            piece, at = _escape(pattern, at, is_in_class=False)
        elif character == "[":
            piece, at = _class(pattern, at)
        elif pattern.startswith("(?", at):
            group = _GROUP.match(pattern, at)
            if group is None:
                raise PatternError(
                    f"{pattern[at : at + 4]} is not known to the warehouse"
                )
            piece, at = group[0], group.end()
        elif character == "$":
            piece, at = r"\Z", at + 1
        elif character == "{":
            piece, at = _repeat(pattern, at)
        elif character in "*+?" and pattern[at + 1 : at + 2] == "+":
            raise PatternError(f"{pattern[at : at + 2]} is not known to the warehouse")
        else:
            piece, at = character, at + 1
        pieces.append(piece)
    return "".join(pieces)


def _repeat(pattern: str, at: int) -> tuple[str, int]:
    """A number of repetitions; a brace that is none is a character."""
    repeat = _REPEAT.match(pattern, at)
    if repeat is None:
        return r"\{", at + 1
    if any(int(number) > MAX_REPEAT for number in re.findall(r"\d+", repeat[0])):
        raise PatternError(f"{repeat[0]} repeats more than {MAX_REPEAT} times")
    if pattern[repeat.end() : repeat.end() + 1] == "+":
        raise PatternError(f"{repeat[0]}+ is not known to the warehouse")
    return repeat[0], repeat.end()


def _escape(pattern: str, at: int, *, is_in_class: bool) -> tuple[str, int]:
    letter = pattern[at + 1 : at + 2]
    after = at + 2
    if not letter:
        raise PatternError("it ends in a backslash")
    if letter.lower() in _CLASSES:
        inside = _CLASSES[letter.lower()]
        if letter.islower():
            return (inside if is_in_class else f"[{inside}]"), after
        if is_in_class:
            raise PatternError(f"\\{letter} inside [...]; write what it is not outside")
        return f"[^{inside}]", after
    if letter in "bB" and not is_in_class:
        return _EDGE[letter == "B"], after
    if letter == "A" and not is_in_class:
        return r"\A", after
    if letter == "z" and not is_in_class:
        return r"\Z", after
    if letter == "x" and re.fullmatch("[0-9A-Fa-f]{2}", pattern[after : after + 2]):
        return pattern[at : after + 2], after + 2
    if letter in "tnrfva":
        return f"\\{letter}", after
    if letter.isascii() and not letter.isalnum():
        return re.escape(letter) if letter != "_" else "_", after
    raise PatternError(f"\\{letter} means nothing, or not the same everywhere")


def _class(pattern: str, at: int) -> tuple[str, int]:
    """A set of characters in brackets."""
    start = at
    pieces = ["["]
    at += 1
    if pattern[at : at + 1] == "^":
        pieces.append("^")
        at += 1
    is_first = True
    while True:
        character = pattern[at : at + 1]
        if not character:
            raise PatternError(f"{pattern[start:]} has no closing bracket")
        if character == "]" and not is_first:
            return "".join([*pieces, "]"]), at + 1
        is_first = False
        if character == "\\":
            piece, at = _escape(pattern, at, is_in_class=True)
            pieces.append(piece)
            continue
        if character == "[" and pattern[at + 1 : at + 2] in (":", ".", "="):
            raise PatternError(
                f"{pattern[at : at + 4]}...: write the characters themselves"
            )
        pieces.append(f"\\{character}" if character in "[&~|]" else character)
        at += 1
