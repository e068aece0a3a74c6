"""`kith test` leaves no test out, and tells what failed."""

from __future__ import annotations

from pathlib import Path

from orchestration.cli.test import Check, all_checks, run_all
from orchestration.project import ROOT


def test_every_file_of_tests_is_in_one_check() -> None:
    places = [
        ROOT / check.command[-1]
        for check in all_checks(ROOT)
        if check.command[0] == "pytest"
    ]
    for file in (ROOT / "tests").rglob("test_*.py"):
        assert sum(place in (file, *file.parents) for place in places) == 1, file


def test_marks_choose_what_is_left_out() -> None:
    def selections(**wanted: bool) -> set[tuple[str, ...]]:
        return {
            tuple(check.command[2:-1])
            for check in all_checks(ROOT, **wanted)
            if check.command[0] == "pytest"
        }

    assert selections() == {("-m", "not slow and not clients")}
    assert selections(slow=True) == {("-m", "not clients")}
    assert selections(slow=True, clients=True) == {()}


def test_all_run_and_each_tells_its_own_outcome(tmp_path: Path) -> None:
    def python(script: str) -> list[str]:
        return ["python", "-c", script]

    checks = [
        Check("good", python("print('fine')")),
        Check("bad", python("import sys; sys.stderr.write('wrong'); sys.exit(3)")),
        *(Check(f"more {number}", python("")) for number in range(8)),
    ]
    outcomes = {one.check.name: one for one in run_all(checks, tmp_path)}
    assert outcomes.keys() == {check.name for check in checks}
    assert (outcomes["good"].exit_code, outcomes["good"].printed) == (0, "fine\n")
    assert (outcomes["bad"].exit_code, outcomes["bad"].printed) == (3, "wrong")
    assert not any(outcomes[f"more {number}"].exit_code for number in range(8))
