"""The CSV connector: the file equals the sync, whole at every moment."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activations.connectors import Batch, Row
from activations.connectors.csv import deliver
from tests.activations.bench import Bench, bench, email

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ["=1+1", "+1", "-1", "@x", "\t", "\r", "'=x", "''=x", "'", 'a"b', "a,b", "a\nb"]
)


@pytest.fixture
def files(tmp_path: Path) -> Bench:
    """A mirror of people in a CSV file."""
    return bench(tmp_path, "csv", {"directory": str(tmp_path / "out")}, action="file")


def lines(work: Bench) -> list[dict[str, str]]:
    """The file's lines, by column."""
    file = Path(work.sync.account.settings["directory"]) / "acct__people.csv"
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def test_the_file_follows_the_payload(files: Bench) -> None:
    files.people(range(4))
    assert files.run().succeeded.insert == 4
    files.people([1, 3, 5], plan="pro")
    run = files.run()
    assert (run.succeeded.update, run.succeeded.insert) == (2, 1)
    assert run.succeeded.delete == 2
    assert {line["email"]: line["plan"] for line in lines(files)} == {
        email(1): "pro",
        email(3): "pro",
        email(5): "pro",
    }
    assert files.run().planned.total == 0
    directory = Path(files.sync.account.settings["directory"])
    assert [path.name for path in directory.iterdir()] == ["acct__people.csv"]


def test_new_and_dropped_columns_rewrite_the_header(files: Bench) -> None:
    files.payload([{"email": email(n), "plan": "free"} for n in range(3)])
    files.run()
    files.payload([{"email": email(n), "city": "Oslo", "n": n} for n in range(2)])
    files.run()
    assert lines(files) == [
        {"email": email(0), "city": "Oslo", "n": "0"},
        {"email": email(1), "city": "Oslo", "n": "1"},
    ]


def test_formulas_are_written_as_text_and_numbers_as_numbers(files: Bench) -> None:
    row = {
        "email": "+a@x",
        "a": "=HYPERLINK(1)",
        "b": "@x",
        "c": "-1",
        "d": -1.5,
        "e": True,
        "f": None,
        "g": ["x", "y"],
    }
    files.payload([row])
    files.run()
    # A second batch copies the line that it does not change.
    files.payload([row, row | {"email": "b@x"}])
    files.run()
    assert lines(files)[0] == {
        "email": "'+a@x",
        "a": "'=HYPERLINK(1)",
        "b": "'@x",
        "c": "'-1",
        "d": "-1.5",
        "e": "true",
        "f": "",
        "g": '["x", "y"]',
    }
    files.payload([row | {"email": "b@x"}])
    files.run()
    assert [line["email"] for line in lines(files)] == ["b@x"]


def test_escaping_can_be_switched_off(tmp_path: Path) -> None:
    options = {"directory": str(tmp_path / "out"), "escape_formulas": False}
    work = bench(tmp_path, "csv", options, action="file")
    work.payload([{"email": "a@x", "phone": "+4712345678"}])
    work.run()
    assert lines(work)[0]["phone"] == "+4712345678"


@given(
    rounds=st.lists(
        st.dictionaries(TEXT.filter(bool), TEXT, max_size=5), min_size=1, max_size=4
    ),
    escape=st.booleans(),
)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_text_survives_any_number_of_rewrites(
    tmp_path_factory: pytest.TempPathFactory,
    rounds: list[dict[str, str]],
    escape: bool,
) -> None:
    """Quotes, line breaks, formulas, and what only looks escaped."""
    directory = tmp_path_factory.mktemp("out")
    options = {"directory": str(directory), "escape_formulas": escape}
    if not escape:
        # Without escaping, text that looks escaped cannot be told from such text.
        rounds = [{k: v for k, v in r.items() if k[0] != "'"} for r in rounds]
    held: dict[str, str] = {}
    for wanted in rounds:
        rows: list[Row] = [
            Row("update" if key in held else "insert", key, "f", {"k": key, "v": value})
            for key, value in wanted.items()
        ]
        rows += [Row("delete", key, "f", None) for key in held if key not in wanted]
        batch = Batch(sync="s", key="k", columns=("k", "v"), rows=tuple(rows))
        assert len(list(deliver(batch, options))) == len(rows)
        held = wanted
    with (directory / "s.csv").open(encoding="utf-8", newline="") as text:
        cells = [(line["k"], line["v"]) for line in csv.DictReader(text)]
    assert len(cells) == len(held)
    assert dict(cells) == {shown(k, escape): shown(v, escape) for k, v in held.items()}


def shown(text: str, escape: bool) -> str:
    """The cell for a text: one apostrophe more where it could be a formula."""
    risky = text.lstrip("'")[:1] in ("=", "+", "-", "@", "\t", "\r")
    return "'" + text if escape and text and risky else text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"name,age\nAda,36\n", "has no column 'email'"),
        (b"email,plan\n\xff\xfe,x\n", "cannot be read as CSV"),
    ],
)
def test_a_file_that_is_not_the_syncs_is_left_alone(
    files: Bench, content: bytes, expected: str
) -> None:
    directory = Path(files.sync.account.settings["directory"])
    directory.mkdir()
    file = directory / "acct__people.csv"
    file.write_bytes(content)
    files.people([1])
    run = files.run()
    assert run.stopped is not None
    assert expected in run.stopped
    assert file.read_bytes() == content
    assert files.log() == []


def test_a_full_or_closed_directory_fails_the_rows(files: Bench) -> None:
    Path(files.sync.account.settings["directory"]).write_text("a file", "utf-8")
    files.people([1, 2])
    run = files.run()
    assert run.failed.insert == 2
    assert run.stopped is not None
    assert files.plan().planned == 2


def test_a_crash_before_the_rename_leaves_the_old_file(
    files: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.people([1])
    files.run()

    def crash(self: Path, target: Any) -> Any:
        raise OSError("the disk is gone")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", crash)
        files.people([1, 2])
        assert files.run().failed.insert == 1
    assert [line["email"] for line in lines(files)] == [email(1)]
    assert files.run().succeeded.insert == 1
    assert [line["email"] for line in lines(files)] == [email(1), email(2)]
