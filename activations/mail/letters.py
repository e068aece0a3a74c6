"""Letters: what a mail says, from a template or from the record itself.

A template is a folder with `subject.txt`, `body.txt` and, if there is one, `body.html`.
It is Jinja with all of its statements, in a sandbox, and comes from the repository
only. A name that no column has is found before the first mail goes out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from jinja2 import meta, nodes

from activations.connectors import Batch, Row
from activations.errors import ConfigError, RecordRejected
from activations.templates import Sandbox, TemplateError

TEMPLATES = Path(__file__).parents[1] / "emails"
NAMES = ("record", "key", "sync")
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\Z")


@dataclass(frozen=True)
class Letter:
    """What one person is written."""

    to: Any
    subject: str
    text: str
    html: str | None = None
    unsubscribe: str | None = None


Writer = Callable[[Row], Letter]


def writer(batch: Batch, settings: Mapping[str, Any]) -> Writer:
    """What makes the letter of a row, as the action says."""
    if batch.action == "message":
        return _as_told
    folder = Path(settings["templates"] or TEMPLATES)
    return _from_template(folder, str(batch.options["template"]), batch)


def _as_told(row: Row) -> Letter:
    """The letter that the record is."""
    record = row.record or {}
    return Letter(
        to=record.get("to"),
        subject=_said(record, "subject"),
        text=_said(record, "text"),
        html=record.get("html"),
    )


def _said(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    if value is None:
        raise RecordRejected(f"'{name}' is empty.")
    return str(value)


def _from_template(folder: Path, name: str, batch: Batch) -> Writer:
    to, unsubscribe = str(batch.options["to"]), batch.options["unsubscribe"]
    missing = {to, unsubscribe} - {None, *batch.columns}
    if missing:
        raise ConfigError(
            f"{batch.sync} has no column '{min(missing)}' (options `to` and "
            f"`unsubscribe`). Columns: {', '.join(batch.columns)}."
        )
    environment = _environment(folder)
    subject = _template(environment, folder, name, "subject.txt", batch.columns)
    text = _template(environment, folder, name, "body.txt", batch.columns)
    html = None
    if (folder / name / "body.html").exists():
        html = _template(environment, folder, name, "body.html", batch.columns)

    def write(row: Row) -> Letter:
        record = dict(row.record or {})
        names = {"record": record, "key": row.key, "sync": batch.sync}
        return Letter(
            to=record.get(to),
            subject=_rendered(subject, names),
            text=_rendered(text, names),
            html=None if html is None else _rendered(html, names),
            unsubscribe=record.get(unsubscribe) if unsubscribe else None,
        )

    return write


def _environment(folder: Path) -> jinja2.Environment:
    environment = Sandbox(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        autoescape=jinja2.select_autoescape(["html"]),
        finalize=_not_empty,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.clear()
    return environment


def _not_empty(value: Any) -> Any:
    if value is None:
        raise TemplateError("an empty value stands inside a text")
    return value


def _template(
    environment: jinja2.Environment,
    folder: Path,
    name: str,
    file: str,
    columns: Collection[str],
) -> jinja2.Template:
    """A file of the template, once it is known to speak of what there is."""
    path = f"{name}/{file}"
    if not _FOLDER.match(name) or not (folder / path).is_file():
        raise ConfigError(
            f"There is no template '{name}': {folder / path} is not a file."
        )
    source = (folder / path).read_text(encoding="utf-8")
    try:
        tree = environment.parse(source)
        template = environment.get_template(path)
    except jinja2.TemplateSyntaxError as error:
        raise ConfigError(f"{path}:{error.lineno}: {error.message}") from None
    unknown = meta.find_undeclared_variables(tree) - set(NAMES)
    if unknown:
        known = ", ".join(NAMES)
        raise ConfigError(f"{path} uses {', '.join(sorted(unknown))}. Names: {known}.")
    used = {
        found.attr
        for found in tree.find_all(nodes.Getattr)
        if isinstance(found.node, nodes.Name) and found.node.name == "record"
    }
    if absent := sorted(used - set(columns)):
        raise ConfigError(
            f"{path} uses record.{absent[0]}, which is no column. "
            f"Columns: {', '.join(columns)}."
        )
    return template


def _rendered(template: jinja2.Template, names: Mapping[str, Any]) -> str:
    try:
        return template.render(names)
    except (jinja2.TemplateError, ArithmeticError, TypeError, ValueError) as error:
        raise RecordRejected(f"{template.name}: {error}") from error
