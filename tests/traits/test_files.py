"""The files of topics: compiled, edited, stale, and laid out like those of people."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from orchestration.conditions.docs_blocks import add_missing, read_blocks
from orchestration.conditions.layout import model_text
from orchestration.project import ROOT
from orchestration.traits.compiling import (
    FOLDER,
    compile_topics,
    trait_problems,
    write_topics,
)
from orchestration.traits.queries import topic_query
from tests.traits.test_computed import as_definitions, type_of
from tests.traits.worlds import CATALOGUE, topic_of

YML = """\
models:
  - name: traits_doing
    description: What people did. One row per profile that did a thing.
    config: {meta: {traits: {per: profile}}}
    columns:
      - {name: profile_id, data_type: varchar}
      - name: done_count
        data_type: bigint
        description: '{{ doc("definition__traits_doing__done_count") }}'
        config:
          meta:
            trait:
              type: event_counter
              event: Thing Done
              where:
                - {property: word, equals: "it's"}
                - any: [{trait: age, at_least: 18}, {trait: country, absent: true}]
              within: 30 days
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one topic, not yet compiled."""
    folder = tmp_path / "project" / FOLDER
    folder.mkdir(parents=True)
    (folder / "traits_doing.yml").write_text(YML)
    (folder / "traits_other.yml").write_text(
        "models:\n  - {name: traits_other, columns: [{name: profile_id}]}\n"
    )
    return tmp_path / "project"


def compile_all(project: Path, *, overwrite: bool = False) -> list[str]:
    """What `kith trait compile --all` tells."""
    add_missing(project / FOLDER)
    compiled, problems = compile_topics(project, CATALOGUE)
    changes, kept = write_topics(
        project, compiled, overwrite=overwrite, are_all=not problems
    )
    return [*changes, *problems, *kept]


def test_a_topic_is_compiled_once_and_again_when_its_yml_changes(
    project: Path,
) -> None:
    yml = project / FOLDER / "traits_doing.yml"
    assert trait_problems(project, CATALOGUE) == [
        "project/models/traits/traits_doing.yml: traits_doing.sql is not there; "
        "run ./kith trait compile traits_doing"
    ]
    assert compile_all(project) == [
        "wrote project/models/traits/traits_doing.sql",
        "wrote project/models/traits/_definitions.md",
    ]
    assert compile_all(project) == trait_problems(project, CATALOGUE) == []
    yml.write_text(yml.read_text().replace("30 days", "7 days"))
    assert trait_problems(project, CATALOGUE) == [
        "project/models/traits/traits_doing.yml: traits_doing.sql is not what its "
        "definition gives; run ./kith trait compile traits_doing"
    ]
    assert len(compile_all(project)) == 2
    assert trait_problems(project, CATALOGUE) == []


def test_a_definition_is_told_in_words(project: Path) -> None:
    compile_all(project)
    assert read_blocks(project / FOLDER) == {
        "definition__traits_doing__done_count": (
            "Number of 'Thing Done' events in the last 30 days where word is 'it's' "
            "and (age is at least 18 or country is not known)."
        )
    }


def test_a_model_that_was_edited_is_kept_unless_told_otherwise(project: Path) -> None:
    compile_all(project)
    model = project / FOLDER / "traits_doing.sql"
    edited = model.read_text() + "-- and so on\n"
    model.write_text(edited)
    yml = project / FOLDER / "traits_doing.yml"
    yml.write_text(yml.read_text().replace("30 days", "7 days"))
    assert trait_problems(project, CATALOGUE) == []
    [_, kept] = compile_all(project)
    assert kept == (
        "project/models/traits/traits_doing.sql was edited by hand; --overwrite "
        "replaces it by what traits_doing.yml defines, or take the definition out of "
        "the yml"
    )
    assert model.read_text() == edited
    compile_all(project, overwrite=True)
    assert "days_ago(7)" in model.read_text()


def test_a_mistake_is_told_with_its_line(project: Path) -> None:
    yml = project / FOLDER / "traits_doing.yml"
    yml.write_text(yml.read_text().replace("trait: country", "trait: contry"))
    assert trait_problems(project, CATALOGUE) == [
        "project/models/traits/traits_doing.yml:17: done_count.trait.where.2.any.2."
        "trait: unknown trait 'contry'; did you mean 'country'?"
    ]


def test_compiled_models_pass_the_lint_of_the_project(tmp_path: Path) -> None:
    random = Random(3)  # noqa: S311 - nothing secret
    asked = list(as_definitions())
    settings = [{"per": "profile"}, {"per": "account"}]
    for number in range(4):
        definitions = {
            f"a_trait_with_a_long_name_{place}": {**one, "event": "thing_done"}
            for place, one in enumerate(random.sample(asked, 6))
        }
        types = {name: type_of(one) for name, one in definitions.items()}
        topic = topic_of(definitions, types, settings[number % 2])
        file = tmp_path / f"traits_{number}.sql"
        file.write_text(model_text(topic_query(topic)), encoding="utf-8")
    lint = subprocess.run(
        [
            Path(sys.executable).parent / "sqlfluff",
            "lint",
            *("--config", ROOT / ".sqlfluff", "--disable-progress-bar"),
            tmp_path,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert lint.returncode == 0, lint.stdout
