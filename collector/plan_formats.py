"""The formats of the plan: what text must look like, and be found in the calendar."""

from __future__ import annotations

import re
from calendar import monthrange

from collector.patterns import compile_pattern

_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"({_BYTE}\.){{3}}{_BYTE}"
_GROUP = "[0-9A-Fa-f]{1,4}"


def _ipv6() -> str:
    """`::` stands for the groups that are left out: there is a form per place of it."""
    forms = [
        f"({_GROUP}:){{7}}{_GROUP}",
        f"({_GROUP}:){{1,7}}:",
        f":(:{_GROUP}){{1,7}}",
        "::",
        f"({_GROUP}:){{6}}{_IPV4}",
        f"::({_GROUP}:){{0,5}}{_IPV4}",
    ]
    forms += [f"({_GROUP}:){{{n}}}(:{_GROUP}){{1,{7 - n}}}" for n in range(1, 7)]
    forms += [
        f"({_GROUP}:){{{n}}}(:{_GROUP}){{0,{5 - n}}}:{_IPV4}" for n in range(1, 6)
    ]
    return "|".join(forms)


_PATTERNS = {
    "email": r"^[^@ \t\r\n]+@[^@. \t\r\n]+(\.[^@. \t\r\n]+)+$",
    "uri": r"^[A-Za-z][A-Za-z0-9+.-]*:[^ \t\r\n]+$",
    "uuid": "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
    "ipv4": f"^{_IPV4}$",
    "ipv6": f"^({_ipv6()})$",
    "date": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
    "date-time": (
        r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
        r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?$"
    ),
}
_SEARCHES = {name: compile_pattern(text).search for name, text in _PATTERNS.items()}
_PARTS = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:.(\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?)?", re.ASCII
)


def has_format(name: str, text: str) -> bool:
    """Whether the text has one of the formats of `plan.FORMATS`."""
    if _SEARCHES[name](text) is None:
        return False
    return name not in ("date", "date-time") or _is_in_calendar(text)


def _is_in_calendar(text: str) -> bool:
    """Whether there is such a day, and such a time of day; 24:00 ends a day."""
    found = _PARTS.match(text)
    if found is None:
        return False
    *parts, fraction = found.groups()
    year, month, day, hour, minute, second = (int(part or 0) for part in parts)
    if not 1 <= month <= 12 or not 1 <= day <= monthrange(year or 4, month)[1]:
        return False
    if hour == 24:
        return not (minute or second or (fraction or "").strip(".0"))
    return hour < 24 and minute < 60 and second < 60
