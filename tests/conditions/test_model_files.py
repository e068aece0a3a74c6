"""Compiled files: what people wrote is never replaced unasked, nor called stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.conditions.docs_blocks import add_missing, read_blocks, write_blocks
from orchestration.conditions.model_files import (
    WrittenByHand,
    sealed,
    stale,
    state,
    write,
)
from orchestration.conditions.reading import Mistakes, located

ONE = sealed("select 1 as one\n", source="traits_one.yml")
TWO = sealed("select 2 as one\n", source="traits_one.yml")


def test_a_compiled_file_follows_its_definition(tmp_path: Path) -> None:
    file = tmp_path / "traits_one.sql"
    assert state(file) == "absent"
    assert stale(file, ONE, command="./kith x") == (
        "traits_one.sql is not there; run ./kith x"
    )
    assert write(file, ONE)
    assert not write(file, ONE)
    assert state(file) == "compiled"
    assert stale(file, ONE, command="./kith x") is None
    assert stale(file, TWO, command="./kith x") == (
        "traits_one.sql is not what its definition gives; run ./kith x"
    )
    assert write(file, TWO)
    assert file.read_text() == TWO


def test_a_file_that_was_edited_is_kept_and_never_stale(tmp_path: Path) -> None:
    file = tmp_path / "traits_one.sql"
    write(file, ONE)
    edited = file.read_text().replace("select 1", "select 3")
    file.write_text(edited)
    assert state(file) == "edited"
    assert stale(file, TWO, command="./kith x") is None
    with pytest.raises(WrittenByHand, match="was edited by hand; --overwrite"):
        write(file, TWO)
    assert file.read_text() == edited
    assert write(file, TWO, overwrite=True)
    assert state(file) == "compiled"


def test_a_file_without_the_line_belongs_to_who_wrote_it(tmp_path: Path) -> None:
    file = tmp_path / "traits_one.sql"
    file.write_text("select 1 as one\n")
    assert state(file) == "written"
    assert stale(file, ONE, command="./kith x") is None
    with pytest.raises(WrittenByHand, match="was written by hand"):
        write(file, ONE)


def test_blocks_that_a_yml_asks_for_are_there_before_they_are_compiled(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.yml").write_text("""description: '{{ doc("definition__a") }}'\n""")
    (tmp_path / "b.yml").write_text("""description: '{{ doc("profile_id") }}'\n""")
    add_missing(tmp_path)
    assert read_blocks(tmp_path) == {"definition__a": "Not compiled yet."}
    write_blocks(tmp_path, {"definition__a": "What a is."}, are_all=False)
    add_missing(tmp_path)
    assert read_blocks(tmp_path) == {"definition__a": "What a is."}
    write_blocks(tmp_path, {"definition__c": "C."}, are_all=False)
    assert list(read_blocks(tmp_path)) == ["definition__a", "definition__c"]
    assert write_blocks(tmp_path, {"definition__c": "C."}, are_all=True)
    assert not write_blocks(tmp_path, {"definition__c": "C."}, are_all=True)
    assert list(read_blocks(tmp_path)) == ["definition__c"]


def test_a_mistake_is_told_with_the_line_of_the_yml(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "models").mkdir(parents=True)
    (project / "models" / "a.yml").write_text(
        "models:\n"
        "  - name: a\n"
        "    config:\n"
        "      meta:\n"
        "        definition:\n"
        "          - {trait: one, exists: true}\n"
        "          - any:\n"
        "              - {trait: two, exists: true}\n"
        "              - {trait: three, exists: true}\n"
    )
    mistakes = Mistakes()
    place = ("config", "meta", "definition", "2", "any", "2", "trait")
    mistakes.add(place, "unknown trait 'three'")
    mistakes.add((), "has no grain")
    assert located(mistakes, file="models/a.yml", model="a", project_dir=project) == [
        "project/models/a.yml:9: definition.2.any.2.trait: unknown trait 'three'",
        "project/models/a.yml:2: model a: has no grain",
    ]
