"""Names and shapes of the functions that `kith plan types` writes, in any language."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from collector.plan import Plan, PlannedEvent, Rule


@dataclass(frozen=True)
class Field:
    """One key of an object; `type` is written in the language."""

    name: str
    type: str
    required: bool
    description: str


@dataclass(frozen=True)
class Shape:
    """An object type with a name, because something in it is planned."""

    name: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Function:
    """The function that sends an event; `version` only when there are several."""

    event: PlannedEvent
    shape: Shape
    version: int | None

    @property
    def name(self) -> str:
        """Its name in words joined by `_`: that of the event's model."""
        return self.event.model

    @property
    def needs_payload(self) -> bool:
        """Whether there is a property that must be given."""
        return any(field.required for field in self.shape.fields)


Writer = Callable[[Rule, str | None], str]
"""The type of a value in the language; the name is that of its object type, if any."""


def functions(plan: Plan, write: Writer) -> Iterator[tuple[list[Shape], Function]]:
    """Each event's function, after the object types that it is made of.

    An alias has none: no client takes properties for it.
    """
    taken: set[str] = set()
    for event in plan.events:
        if event.type == "alias":
            continue
        shapes: list[Shape] = []
        top = Rule(types=("object",), properties=event.properties)
        name = f"{pascal_case(event.model)}{event.payload.title()}"
        _shape(top, name, shapes, taken, write)
        many = len(plan.versions(event.type, event.name)) > 1
        function = Function(event, shapes[-1], event.version if many else None)
        yield shapes, function


def pascal_case(name: str) -> str:
    """`order_completed` as `OrderCompleted`."""
    return "".join(word[:1].upper() + word[1:] for word in name.split("_"))


def one_line(text: str) -> str:
    """A description without line breaks."""
    return " ".join(text.split())


def _shape(
    rule: Rule, wanted: str, shapes: list[Shape], taken: set[str], write: Writer
) -> str:
    """Add the object type, those inside it first; gives its name."""
    name = wanted
    while name in taken:
        name += "_"
    taken.add(name)
    fields = tuple(
        Field(
            key,
            _type(inner, f"{name}{_part(key)}", shapes, taken, write),
            inner.required,
            one_line(inner.description),
        )
        for key, inner in rule.properties.items()
    )
    shapes.append(Shape(name, fields))
    return name


def _type(
    rule: Rule, wanted: str, shapes: list[Shape], taken: set[str], write: Writer
) -> str:
    inner: str | None = None
    if rule.items is not None:
        inner = _type(rule.items, f"{wanted}Item", shapes, taken, write)
    elif rule.properties:
        inner = _shape(rule, wanted, shapes, taken, write)
    return write(rule, inner)


def _part(key: str) -> str:
    """What a key adds to the name of its object type."""
    from orchestration.plans.names import snake_case

    return pascal_case(snake_case(key))
