"""`sources.yml` read strictly: what YAML and people get wrong, and how it is told."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from collector import strict_yaml
from collector.errors import SourcesError
from collector.source_file import read
from tests.collector.acceptance import accepts, case
from tests.collector.corpora import naughty_strings

SOURCE = f"kind: server, write_key_sha256: '{'0' * 64}'"
ONE = "sources:\n  a: {%s}\n"
BOMB = "\n".join(
    f"{name}: &{name} [{', '.join(['*' + last] * 9)}]"
    for last, name in zip("abcdefgh", "bcdefghi", strict=True)
)

MISTAKES = [
    case("B76 key twice", ONE % f"{SOURCE}, kind: server", "given twice"),
    case("B77 Norway", ONE % f"{SOURCE}, region: NO", "a.region: .* match pattern"),
    case("B77 octal", ONE % f"{SOURCE}, region: 010", "a.region: .* string"),
    case(
        "B77 base 60", ONE % f"{SOURCE}, limits: {{event_bytes: 12:30:45}}", "integer"
    ),
    case("B78 tag", "sources: !!python/object/apply:os.abort []", "a constructor"),
    case("B79 bomb", f"a: &a [x]\n{BOMB}\nsources: *i", "sources: .* dictionary"),
    case("B79 recursion", "sources: &s\n  a: *s", "sources.a.kind"),
    case("B79 1,000 lists", f"sources: {1_000 * '['}", "too deep"),
    case("B79 3,000 maps", f"sources: {3_000 * '{a: '}1{3_000 * '}'}", "too deep"),
    case("B80 tab", "sources:\n\ta: {}", "line 2"),
    case("B80 NUL", "sources:\n  a: {kind: \0}", "not valid YAML"),
    case("B80 UTF-16", "sources: {}".encode("utf-16"), "not valid YAML"),
    case("B81 empty", "", "file: .* dictionary"),
    case("B81 null", "null", "file: .* dictionary"),
    case("B81 list", "- a", "file: .* dictionary"),
    case("B81 two documents", "sources: {}\n---\nsources: {}", "single document"),
    case("B82 unknown", ONE % f"{SOURCE}, retires: 3", "sources.a.retires"),
    case("B83 word", ONE % f"{SOURCE}, enabled: perhaps", "sources.a.enabled"),
    case("B83 negative", ONE % f"{SOURCE}, limits: {{batch_bytes: -1}}", "batch_bytes"),
    *(
        case(f"B83 {number}", ONE % f"{SOURCE}, limits: {{{limit}: {number}}}", limit)
        for limit, number in [
            ("requests_per_second", ".nan"),
            ("requests_per_second", ".inf"),
            ("event_bytes", "1e99"),
        ]
    ),
    case("B87 key in clear", ONE % "kind: server, write_key: k", "sources.a.write_key"),
]


@pytest.mark.parametrize(("content", "problem"), MISTAKES)
def test_a_mistake_is_told_with_its_place(
    content: str | bytes, problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "sources.yml"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(SourcesError, match=problem) as error:
        read(file)
    assert "sources.yml: " in str(error.value)


@accepts("B80")
def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    file = tmp_path / "sources.yml"
    file.write_bytes(b"\xef\xbb\xbf" + (ONE % SOURCE).replace("\n", "\r\n").encode())
    assert list(read(file).sources) == ["a"]


@accepts("B77")
@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("NO", "NO"), ("on", "on"), ("1_000", "1_000"), ("12:30:45", "12:30:45")),
        *(("2026-11-22", "2026-11-22"), ("'5'", "5"), ("1e", "1e"), (".", ".")),
        *(("010", 10), ("-5", -5), ("0o17", 15), ("0x1F", 31), ("1e3", 1000.0)),
        *((".5", 0.5), ("true", True), ("False", False), ("~", None), ("", None)),
    ],
)
def test_words_and_numbers_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    assert strict_yaml.load(f"[{text}, x]" if text else "- ")[0] == value


@accepts("B85")
def test_a_name_that_could_be_a_path_or_a_keyword_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "sources.yml"
    names = ["../x", "a/b", "CON", "A", "", "x" * 33, "🙂", "1a", "a\n", "a_1"]
    for name in [*names, *naughty_strings()]:
        key = json.dumps(name, ensure_ascii=False)
        file.write_text(f"sources:\n  ? {key}\n  : {{{SOURCE}}}\n")
        if re.fullmatch("[a-z][a-z0-9_]{0,31}", name):
            assert list(read(file).sources) == [name]
            continue
        with pytest.raises(SourcesError, match=r"match pattern|not valid YAML"):
            read(file)
