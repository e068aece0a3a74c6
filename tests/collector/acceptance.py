"""What the collector must withstand, row by row, and which test shows each.

A test names its rows with `accepts`, a case of a parametrized test with `case`;
`pytest -m 'row(id="B17")'` runs the tests of one. `test_acceptance.py` fails when a row
has no test.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., None])

HTTP = {
    "B1": "no write key: 401, missing_write_key",
    "B2": "an unknown write key: 401, in the same words",
    "B3": "a source that is switched off: 403",
    "B4": "credentials that cannot be decoded, or of megabytes: 401 or 431, never 500",
    "B5": "a write key that is not ASCII: compared as bytes, 401",
    "B6": "header, query and body name different sources: 400",
    "B7": "a key that looks like a path, or is huge: 401; no key ever names a file",
    "B8": "a bearer token: 401",
    "B9": "the wrong method: 405, and which is right",
    "B10": "unknown paths: 404; extra slashes are forgiven, nothing redirects",
    "B11": "preflights of any origin: 204, granted",
    "B12": "text/plain, no content type, a charset of UTF-8: taken",
    "B13": "multipart, XML, UTF-16: 415",
    "B14": "no body: 400",
    "B15": "a declared length above the limit: 413",
    "B16": "chunks that grow above the limit: 413",
    "B17": "a gigabyte in a megabyte of gzip: 413, in bounded memory",
    "B18": "gzip cut short, damaged, followed by more: 400",
    "B19": "encodings other than gzip: 415, saying which is taken",
    "B20": "plain text called gzip, gzip not called so: 400, with a hint",
    "B21": "both Content-Length and Transfer-Encoding: one meaning, then closed",
    "B22": "contradicting or impossible lengths: 400",
    "B23": "bodies that break off: never taken for whole",
    "B24": "control characters and folds in headers: 400",
    "B25": "no Host: 400; two of them route nothing",
    "B26": "a megabyte of header, or 20,000 of them: 431",
    "B27": "a target of 200 KB: 431",
    "B28": "no HTTP/1.1 at all: 400, and the log stays short",
    "B29": "Expect: 100-continue: asked for, or refused before it is sent",
    "B30": "X-Forwarded-For: believed only of a trusted proxy",
    "B31": "more requests than a source may send: 429, Retry-After, X-RateLimit-Reset",
    "B32": "absurd counts of retries: ignored",
    "B33": "pixels with broken data: the image, and a row in quarantine",
}

JSON = {
    "B34": "188 bodies that are not JSON: 400 each",
    "B35": "95 bodies that are JSON: objects are validated, others 400",
    "B36": "95 JSON values: equal in Parquet",
    "B37": "35 values that JSON leaves open: refused, or decided",
    "B38": "nesting of 65 to 100,000 levels: bounded, costs only its event",
    # not counted: the parser does not tell, and to look costs as much as to parse
    "B39": "keys given twice: the last counts, and nothing else is stored",
    "B40": "NaN and Infinity: 400 alone, quarantine in a batch",
    "B41": "integers beyond 64 bits: their digits, flagged; beyond doubles: no number",
    "B42": "2^53 + 1 exact, doubles as IEEE says, minus zero as zero",
    "B43": "NUL: kept in values, quarantined in keys",
    "B44": "half an emoji: 400 alone, replaced and flagged in a batch",
    "B45": "bytes that are not UTF-8: 400",
    "B46": "a byte order mark: taken off",
    "B47": "a list of events without a batch: 400",
    "B48": "more than one document: 400",
    "B49": "10,001 properties, or 200,000: quarantined",
    "B50": "empty, dotted, quoted and magic keys: kept as they are",
    "B51": "keys that differ in case or in composition only: both kept",
    "B52": "515 naughty strings in every field: stored equal, or refused by name",
    "B53": "a batch in a batch: the inner one is quarantined",
}

EVENTS = {
    "B54": "an empty batch: 400",
    "B55": "a batch that is no list: 400; items that are no objects: quarantined",
    "B56": "2,501 events: the last is quarantined, to be replayed",
    "B57": "an event too large: quarantined alone, with its beginning and its hash",
    "B58": "nobody's event: 400 alone, quarantined in a batch",
    "B59": "ids that are no text: integers become text, others are quarantined",
    "B60": "ids that mean nobody: stored, for the warehouse to judge",
    "B61": "track without a usable name: quarantined",
    "B62": "an unknown type, or another than the path's: quarantined",
    "B63": "alias and group without their second id: quarantined",
    "B64": "no message id: made up; an impossible one: quarantined; known ones: stored",
    "B65": "one message id for two events: both land, and staging keeps the first",
    "B66": "times that are none: the time of arrival, flagged",
    "B67": "clocks days away: corrected by 30 days at most, else flagged",
    "B68": "an event of the future: the time of arrival, flagged",
    "B69": "properties and traits that are no objects: quarantined; null is none",
    "B70": "consent that cannot be read: flagged, to be treated as none",
    "B71": "addresses that are none, or not to be kept",
    "B75": "odd values in integrations: quarantined",
}

SOURCES = {
    "B76": "a key given twice in sources.yml: told",
    "B77": "YAML's old words and numbers: read as YAML 1.2 does",
    "B78": "tags: refused",
    "B79": "aliases that explode, recursion, deep nesting: refused",
    "B80": "tabs, NUL, UTF-16: told; a byte order mark and CRLF: fine",
    "B81": "an empty file, a list, two documents: told",
    "B82": "an unknown field: told",
    "B83": "wrong types and impossible numbers: told",
    "B85": "names that could be paths or keywords: refused",
    "B87": "a write key in clear: there is no such field",
    "B88": "a variable that is missing or empty: named, never shown",
}
"""What holds for the collector's only file; other parts have files of their own."""

FAULTS = {
    "F1": "killed between write and fsync: nothing acknowledged is lost",
    "F2": "killed after fsync, before the answer: stored once, sent again or not",
    "F3": "a power cut: what was not synced may be gone, what was acknowledged not",
    "F4": "a torn tail, garbage or zeros behind the last record: cut off, kept beside",
    "F5": "damage in the middle: every record around it lands, the gap is named",
    "F6": "fsync fails: 503, no second one, exit 70, a successor reads the disk anew",
    "F7": "write fails: as F6",
    "F8": "the disk is full: 429, and on again by itself when it has room",
    "F9": "below the low-water mark: 429 before the disk is full",
    "F10": "no descriptors left: 429, and on again",
    "F11": "the file system turns read-only: 503, and nothing is lost",
    "F12": "a sync takes too long: what waits is refused 429, and on again",
    "F14": "slow headers, bodies and idle connections: ended, others unharmed",
    "F17": "two collectors on one log: the second says whose it is, and exits 75",
    "F18": "the clock jumps: everything lands, once",
    "F19": "killed while one segment follows another: nothing is lost",
    "F20": "SIGTERM: not ready, drained, exit 0, nothing lost",
    "F23": "one worker dies: its connections only; it is started anew",
    "F34": "a line that ends the landing process: quarantined, all others land",
}

ROWS = HTTP | JSON | EVENTS | SOURCES | FAULTS

_WAREHOUSE = "judged in the warehouse, by the tracking plan's dbt tests"
_REGULATIONS = "suppression and erasure are not the collector's yet"
_REDACTION = "no field is redacted on the way in yet"
_FILES = "sources.yml refers to nothing and schedules nothing; other parts' files"
_AUDIENCES = "audiences, syncs and destinations: activations and dbt"
_READING = "the Profile API and user interfaces"
_MEMORY = "more requests than memory, and answers while a body comes: test_overload.py"
_BODIES = "bodies that break off: B23"
_SOURCES = "sources.yml, broken or gone: test_sources.py"

ELSEWHERE = (
    {"B72": _REGULATIONS, "B73": _REDACTION, "B74": _WAREHOUSE}
    | {f"B{number}": _FILES for number in (84, 86, 89, 90, 91)}
    | {f"B{number}": _AUDIENCES for number in range(92, 103)}
    | {f"B{number}": _READING for number in range(103, 111)}
    | {"F13": _MEMORY, "F15": _BODIES, "F16": _MEMORY}
    | {"F21": _SOURCES, "F22": _SOURCES}
)
"""Rows of the same lists that are shown elsewhere, and where."""


def accepts(*rows: str) -> Callable[[Test], Test]:
    """Mark a test as the proof of these rows."""

    def mark(test: Test) -> Test:
        for row in reversed(rows):
            test = pytest.mark.row(id=row)(test)
        return test

    return mark


def case(name: str, *values: Any) -> Any:
    """A case of a parametrized test whose name begins with its row: `B17 bomb`."""
    row = name.partition(" ")[0]
    return pytest.param(*values, id=name, marks=pytest.mark.row(id=row))
