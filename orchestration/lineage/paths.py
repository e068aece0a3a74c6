"""Paths into JSON, as SQL and the tracking plan write them."""

from __future__ import annotations

from sqlglot import exp, jsonpath
from sqlglot.errors import SqlglotError

from orchestration.lineage.reads import Path

ELEMENTS = "[]"


def json_access(node: exp.Expr) -> tuple[exp.Expr, list[Path]] | None:
    """The value that an expression takes parts of, and the paths to the parts.

    None when it is no access to JSON, or one whose paths only the data knows.
    """
    match node:
        case exp.JSONExtract() | exp.JSONExtractScalar():
            value, place = node.this, node.expression
        case exp.Anonymous(expressions=[value, place, *_]):
            pass
        case exp.Func(this=exp.Expr() as value, expression=exp.Expr() as place):
            pass
        case _:
            return None
    places = place.expressions if isinstance(place, exp.Array) else [place]
    paths = [path for path in map(_path, places) if path is not None]
    return (value, paths) if paths and len(paths) == len(places) else None


def _path(place: exp.Expr) -> Path | None:
    """The path that a literal says."""
    if isinstance(place, exp.JSONPath):
        return _segments(place)
    if isinstance(place, exp.Literal) and place.is_string and place.this[:1] == "$":
        try:
            return _segments(jsonpath.parse(place.this))
        except SqlglotError:
            return None
    return None


def _segments(path: exp.JSONPath) -> Path:
    """The keys of a path, as far as they say themselves what they lead to."""
    segments: list[str] = []
    for part in path.expressions:
        match part:
            case exp.JSONPathRoot():
                continue
            case exp.JSONPathKey(this=str() as name):
                segments.append(name)
            case exp.JSONPathSubscript(this=int() | exp.JSONPathWildcard()):
                segments.append(ELEMENTS)
            case exp.JSONPathSubscript(this=str() as name):
                segments.append(name)
            case _:
                break
    return tuple(segments)


def parse_path(text: str) -> Path:
    """A path of the plan: `address.city`, `products[].price`."""
    return tuple(text.replace(ELEMENTS, f".{ELEMENTS}").split("."))


def shown_path(path: Path) -> str:
    """A path as the plan writes it."""
    return ".".join(path).replace(f".{ELEMENTS}", ELEMENTS)


def are_related(one: Path, other: Path) -> bool:
    """Whether one of the values is the other, or inside it."""
    return all(left == right for left, right in zip(one, other, strict=False))
