"""Each way to be wrong is told with file, line, what was found, and what is allowed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest

from collector import strict_yaml
from orchestration.plan_problems import data_problems, plan_problems
from orchestration.project import DBT_PROJECT
from orchestration.yml_lines import YmlLines
from tests.dbt.conftest import write_parsed
from tests.plans import Node, model, write_manifest

PAID = """\
models:
  - name: other
  - name: paid
    config:
      meta: {event: Paid%s}
    columns:
      - name: order_id
        data_type: varchar
        config: {meta: {property: order_id, required: true}}
      - name: total
        data_type: %s
        config:
          meta:
            property: total
            %s
"""


def project(directory: Path, *files: str, project_yml: str = "name: kith\n") -> Path:
    """A dbt project of yml files, and beside it the manifest that dbt makes of them."""
    project_dir = directory / "dbt_project"
    models = project_dir / "models" / "events"
    models.mkdir(parents=True)
    (project_dir / "dbt_project.yml").write_text(project_yml)
    nodes: list[Node] = []
    for number, text in enumerate(files):
        (models / f"{number}.yml").write_text(text)
        for entry in strict_yaml.load(text)["models"]:
            node = model(
                entry["name"],
                meta_of(entry),
                {
                    column["name"]: (column.get("data_type"), meta_of(column))
                    for column in entry.get("columns", ())
                },
            )
            nodes.append(node | {"patch_path": f"kith://models/events/{number}.yml"})
    write_manifest(directory / "manifest.json", *nodes)
    return project_dir


def meta_of(entry: dict[str, Any]) -> dict[str, Any]:
    meta: dict[str, Any] = entry.get("config", {}).get("meta", {})
    return meta


def problems(project_dir: Path) -> list[str]:
    return plan_problems(project_dir.parent / "manifest.json", project_dir)


WRONG = [
    # config.meta of the model, type of `total`, its words, what is told, and the line
    ("ownr: shop", "double", "", "ownr: unknown word 'ownr'; allowed are event,", 5),
    ("type: tracks", "double", "", "'tracks' is not one of track, identify", 5),
    ("version: two", "double", "", "'two' is not one of 1, 2, 3", 5),
    (
        "enforcement: {enum: block}",
        "double",
        "",
        "'block' is not one of allow, omit",
        5,
    ),
    (
        "enforcement: {required_missing: omit}",
        "double",
        "",
        "allowed are allow, quar",
        5,
    ),
    ("renames: {sum: totl}", "double", "", "'totl' is not planned; the properties", 5),
    ("", "double", "minimun: 0", "total.minimun: unknown word 'minimun'; allowed ", 15),
    ("", "double", "minimum: zero", "total.minimum: 'zero' is no number", 15),
    ("", "double", "minimum: 2, maximum: 1", "minimum: is more than the maximum", 15),
    ("", "double", "required: maybe", "'maybe' is not one of true, false", 15),
    ("", "double", "type: float", "'float' is not one of string, number", 15),
    ("", "double", "type: string", "does not fit a column of type double; allowed", 15),
    ("", "double", "enum: [1, x]", "total.enum: 'x' is no number that fits double", 15),
    ("", "tinyint", "enum: [1, 300]", "300 is no integer that fits tinyint", 15),
    ("", "double", "pattern: ^1", "is for string, but the type is number", 15),
    ("", "varchar", "pattern: (?=x)", "'(?=x)' cannot be used: (?=x is not known", 15),
    ("", "varchar", "pattern: '[a'", "'[a' cannot be used: [a has no closing", 15),
    ("", "varchar", "format: mail", "'mail' is not one of date-time, date, email", 15),
    ("", "blob", "", "blob cannot hold a property; allowed are tinyint", 11),
    ("", "json", "items: {required: true}", "items.required: an element is there", 15),
    ("", "json", "items: {typ: string}", "items.typ: unknown word 'typ'", 15),
    (
        "",
        "json",
        "properties: {a: {}, A: {}}",
        "'total.A' and 'total.a' differ only",
        14,
    ),
]


@pytest.mark.parametrize(("meta", "data_type", "words", "told", "line"), WRONG)
def test_a_mistake_has_file_line_and_what_is_allowed(
    tmp_path: Path, meta: str, data_type: str, words: str, told: str, line: int
) -> None:
    one_a_line = words.replace(", maximum", "\n            maximum")
    text = PAID % (f", {meta}" if meta else "", data_type, one_a_line)
    found = problems(project(tmp_path, text))
    assert len(found) == 1, found
    assert found[0].startswith(f"dbt_project/models/events/0.yml:{line}: ")
    assert told in found[0]


def test_enforcement_of_the_project_is_looked_at_too(tmp_path: Path) -> None:
    vars = "vars:\n  enforcement:\n    default: {enum: drop}\n    tracks: {}\n"
    assert problems(project(tmp_path, project_yml=vars)) == [
        "dbt_project/dbt_project.yml:4: vars.enforcement.tracks: unknown word "
        "'tracks'; allowed are default, track, identify, page, screen, group, alias",
        "dbt_project/dbt_project.yml:3: vars.enforcement.default.enum: 'drop' is not "
        "one of allow, omit, quarantine",
    ]


def event(name: str, **meta: Any) -> str:
    """The yml of an event model that plans its properties in its meta alone."""
    return json.dumps({"models": [{"name": name, "config": {"meta": meta}}]})


def test_two_places_can_be_at_odds(tmp_path: Path) -> None:
    found = problems(
        project(
            tmp_path,
            event("paid", event="Paid", properties={"id": {}, "Id": {}}),
            event("paid_too", event="Paid"),
            event("PAID", event="PAID", event_aliases=["Paid"]),
        )
    )
    told = [problem.partition(": ")[2] for problem in found]
    assert told == [
        "event: version 1 of 'Paid' is planned in models/events/0.yml already; "
        "give one of them another version",
        "model paid: becomes the table events.paid, as 'PAID' in models/events/2.yml "
        "does; give one of the models another name",
        "event_aliases: 'Paid' is a name of the event that models/events/1.yml plans",
        "properties.Id: 'Id' and 'id' differ only in case; keep one of them, and name "
        "the other in config.meta.renames",
    ]


def test_a_project_that_dbt_reads_can_be_a_wrong_plan(tmp_path: Path) -> None:
    project_dir = tmp_path / "dbt_project"
    shutil.copytree(DBT_PROJECT, project_dir)
    file = project_dir / "models" / "events" / "order_completed.yml"
    lines = file.read_text().splitlines()
    line = next(number for number, text in enumerate(lines) if "minimum: 0" in text)
    lines[line] = lines[line].replace("minimum: 0", "minimun: 0")
    file.write_text("\n".join(lines))
    manifest = write_parsed(project_dir, tmp_path / "manifest.json")
    found = plan_problems(manifest, project_dir)
    assert [problem.partition("; ")[0] for problem in found] == [
        f"dbt_project/models/events/order_completed.yml:{line + 1}: "
        "total.minimun: unknown word 'minimun'"
    ]


def test_nothing_is_planned_twice_or_inside_what_is_no_object(tmp_path: Path) -> None:
    columns = (
        "      - {name: city, data_type: varchar, config: {meta: {property: %s}}}\n"
    )
    paid = PAID % ("", "double", "minimum: 0")
    (twice,) = problems(project(tmp_path / "twice", paid + columns % "total"))
    assert twice == (
        "dbt_project/models/events/0.yml:16: city.property: 'total': is planned twice"
    )
    (inside,) = problems(project(tmp_path / "inside", paid + columns % "total.city"))
    assert inside == (
        "dbt_project/models/events/0.yml:16: city.property: 'total.city': total is to "
        "be number, so nothing can be inside it"
    )


SEEN = [
    ("track", "Paid", None, 4, ["object"]),
    ("track", "Paid", "total", 3, ["string", "null"]),
    ("track", "Paid", "lines", 2, ["array"]),
    ("track", "Paid", "lines[]", 2, ["object"]),
    ("track", "Paid", "lines[].price", 2, ["number"]),
    ("track", "Paid", "address", 0, ["null"]),
]


def publish(directory: Path, rows: list[tuple[Any, ...]] | None) -> Path:
    """A published build, with what the schema explorer saw."""
    directory.mkdir()
    with duckdb.connect(directory / "current.duckdb") as connection:
        if rows is not None:
            connection.execute(
                """
                create schema monitoring;
                create table monitoring.schema_explorer (
                    type text, event text, property text, event_count bigint,
                    types text[]
                )
                """
            )
            connection.executemany(
                "insert into monitoring.schema_explorer values (?, ?, ?, ?, ?)", rows
            )
    return directory


def test_the_data_tells_what_nobody_sends_and_what_never_has_a_type(
    tmp_path: Path,
) -> None:
    line = {"price": {"type": "integer"}, "sku": {"required": True}}
    planned = event(
        "paid",
        event="Paid",
        properties={
            "total": {"type": ["number", "null"]},
            "order_id": {"required": True},
            "lines": {"items": {"properties": line}},
            "address": {"properties": {"city": {"required": True}}},
        },
    )
    unsent = event("refunded", event="Refunded", properties={"id": {"required": True}})
    project_dir = project(tmp_path, planned, unsent)
    manifest = tmp_path / "manifest.json"
    found = data_problems(manifest, project_dir, publish(tmp_path / "seen", SEEN))
    assert [problem.partition(": ")[2] for problem in found] == [
        "properties.total: 'total' is to be number or null, but in all 3 'Paid' events "
        "that have it, it is string",
        "properties.order_id: 'order_id' is required, but none of the 4 'Paid' events "
        "that could have it does; let them send it, or take `required` away",
        "properties.lines: 'lines[].sku' is required, but none of the 2 'Paid' events "
        "that could have it does; let them send it, or take `required` away",
    ]
    older = publish(tmp_path / "older", None)
    assert "run ./kith build" in data_problems(manifest, project_dir, older)[0]


def test_lines_are_of_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(PAID % ("", "double", ""))
    (tmp_path / "broken.yml").write_text("models: [")
    lines = YmlLines(tmp_path)
    assert lines.find("a.yml", "paid", ()) == 3
    assert lines.find("a.yml", "paid", ("columns", "total", "config", "nothing")) == 12
    assert lines.find("a.yml", "unknown", ()) == 1
    assert lines.find("broken.yml", "paid", ("columns",)) == 1
    assert lines.find("missing.yml", None, ("vars",)) == 1
