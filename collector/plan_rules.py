"""The words of a rule: what the yml says a value must be, read into a `Rule`.

Everything that is wrong is noted, none of it stops the reading: whoever mends a plan
wants to see all of it at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from collector.patterns import PatternError, compile_pattern
from collector.plan import FORMATS, JSON_TYPES, Mistake, Rule
from collector.plan_types import (
    COLUMN_TYPES,
    base_type,
    fitting_types,
    implied_format,
    json_types,
)
from collector.plan_values import tests_of

RULE_WORDS = (
    "required",
    "type",
    "enum",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "items",
    "properties",
    "pii",
    "description",
)
COLUMN_WORDS = ("property", *RULE_WORDS)
_MADE_FOR = {
    "pattern": ("string",),
    "format": ("string",),
    "minimum": ("number", "integer"),
    "maximum": ("number", "integer"),
    "items": ("array",),
    "properties": ("object",),
}
"""Words that mean nothing for values of other types."""

Place = tuple[str, ...]
"""The keys that lead to a word, from the entry of its model."""


class Reader:
    """Reads what one model, or the project, says; notes what is wrong with it."""

    def __init__(self, mistakes: list[Mistake], file: str, model: str | None) -> None:
        self._mistakes = mistakes
        self._file = file
        self._model = model

    def column(self, column: Mapping[str, Any], place: Place) -> Rule:
        """The rule of a property that a column holds."""
        words = column["config"]["meta"]
        self.only(words, COLUMN_WORDS, place)
        data_type = column.get("data_type")
        if not data_type:
            self.note(place[:2], "needs a data_type: it is the type of the property")
        elif base_type(data_type) not in COLUMN_TYPES:
            self.note(
                (*place[:2], "data_type"),
                f"{data_type} cannot hold a property; "
                f"allowed are {', '.join(COLUMN_TYPES)}",
            )
        rule = self.rule(
            {word: words[word] for word in words if word in RULE_WORDS},
            place,
            data_type=data_type or "varchar",
        )
        return replace(rule, description=str(column.get("description") or "").strip())

    def rule(self, words: Any, place: Place, *, data_type: str | None = None) -> Rule:
        """The rule that the words make, for a value that the column type must hold."""
        if not isinstance(words, dict):
            known = ", ".join(RULE_WORDS)
            self.note(place, f"{shown(words)} is no map of words; they are {known}")
            return Rule()
        self.only(words, RULE_WORDS, place)
        types, format = self._types(words, place), self._format(words, place)
        fits = True
        if data_type is not None:
            fits = self._fits(types, data_type, (*place, "type"))
            format = format or (None if types else implied_format(data_type))
            types = types or json_types(data_type)
        properties, required = self._inside(words, place)
        rule = Rule(
            types=types,
            data_type=data_type,
            required=required,
            enum=tuple(self.list(words, "enum", place)) or None,
            pattern=self._pattern(words, place),
            format=format,
            minimum=self._number(words, "minimum", place),
            maximum=self._number(words, "maximum", place),
            items=self._items(words, place),
            properties=properties,
            pii=self._truth(words, "pii", place),
            description=str(words.get("description") or "").strip(),
        )
        if fits:
            self._must_make_sense(rule, words, place)
        return rule

    def only(
        self, words: Mapping[str, Any], allowed: Iterable[str], place: Place
    ) -> None:
        """Note the words that are not among those allowed."""
        for word in words:
            if word not in allowed:
                known = ", ".join(allowed)
                self.note(
                    (*place, str(word)), f"unknown word '{word}'; allowed are {known}"
                )

    def one_of(self, given: Any, allowed: tuple[str, ...], place: Place) -> str:
        """The word, which must be one of those allowed."""
        if isinstance(given, str) and given in allowed:
            return given
        self.note(place, f"{shown(given)} is not one of {', '.join(allowed)}")
        return allowed[0]

    def map(
        self, words: Mapping[str, Any], word: str, place: Place
    ) -> Mapping[str, Any]:
        """What stands under a word, which must be a map."""
        found = words.get(word)
        if found is None:
            return {}
        if not isinstance(found, dict):
            self.note((*place, word), f"{shown(found)} is no map")
            return {}
        return {str(key): value for key, value in found.items()}

    def list(self, words: Mapping[str, Any], word: str, place: Place) -> list[Any]:
        """What stands under a word, which must be a list with something in it."""
        found = words.get(word)
        if found is None:
            return []
        if not isinstance(found, list) or not found:
            self.note((*place, word), f"{shown(found)} is no list of values")
            return []
        return found

    def note(self, place: Place, message: str) -> None:
        """Remember a mistake."""
        self._mistakes.append(
            Mistake(file=self._file, place=place, message=message, model=self._model)
        )

    def _inside(
        self, words: Mapping[str, Any], place: Place
    ) -> tuple[dict[str, Rule], bool]:
        """The rules inside an object, and whether the object itself must be there.

        `required` says the latter; as a list it names which of the former must be.
        """
        properties = {
            name: self.rule(rule, (*place, "properties", name))
            for name, rule in self.map(words, "properties", place).items()
        }
        if not isinstance(words.get("required"), list):
            return properties, self._truth(words, "required", place)
        for name in map(str, words["required"]):
            if name in properties:
                properties[name] = replace(properties[name], required=True)
            else:
                known = ", ".join(properties) or "none"
                self.note(
                    (*place, "required"),
                    f"{name} is not among the properties; they are {known}",
                )
        return properties, False

    def _items(self, words: Mapping[str, Any], place: Place) -> Rule | None:
        if "items" not in words:
            return None
        place = (*place, "items")
        rule = self.rule(words["items"], place)
        if rule.required:
            self.note(
                (*place, "required"),
                "an element is there or not, it cannot be required",
            )
        return rule

    def _types(self, words: Mapping[str, Any], place: Place) -> tuple[str, ...]:
        given = words.get("type")
        if given is None:
            return ()
        if not isinstance(given, list):
            given = [given]
        for one in given:
            self.one_of(one, JSON_TYPES, (*place, "type"))
        return tuple(one for one in given if one in JSON_TYPES)

    def _format(self, words: Mapping[str, Any], place: Place) -> str | None:
        given = words.get("format")
        return self.one_of(given, FORMATS, (*place, "format")) if given else None

    def _pattern(self, words: Mapping[str, Any], place: Place) -> str | None:
        given = words.get("pattern")
        if given is None:
            return None
        place = (*place, "pattern")
        if not isinstance(given, str):
            self.note(place, f"{shown(given)} is no text; put it in quotes")
            return None
        try:
            compile_pattern(given)
        except PatternError as error:
            self.note(place, f"{shown(given)} cannot be used: {error}")
            return None
        return given

    def _number(
        self, words: Mapping[str, Any], word: str, place: Place
    ) -> float | None:
        given = words.get(word)
        if given is None or type(given) in (int, float):
            return given
        self.note((*place, word), f"{shown(given)} is no number")
        return None

    def _truth(self, words: Mapping[str, Any], word: str, place: Place) -> bool:
        given = words.get(word, False)
        if not isinstance(given, bool):
            self.note((*place, word), f"{shown(given)} is not one of true, false")
        return given is True

    def _fits(self, types: tuple[str, ...], data_type: str, place: Place) -> bool:
        """Whether the column can hold values of all types; notes those it cannot."""
        fitting = fitting_types(data_type)
        unfit = [name for name in types if name not in fitting]
        for name in unfit:
            known = ", ".join(one for one in JSON_TYPES if one in fitting)
            self.note(
                place,
                f"'{name}' does not fit a column of type {data_type}; "
                f"allowed are {known}",
            )
        return not unfit

    def _must_make_sense(
        self, rule: Rule, words: Mapping[str, Any], place: Place
    ) -> None:
        """Note what no value, or no value of this type, can ever fulfil."""
        for word, types in _MADE_FOR.items():
            if word in words and rule.types and not set(types) & set(rule.types):
                self.note(
                    (*place, word),
                    f"is for {' and '.join(types)}, but the type is "
                    f"{' or '.join(rule.types)}",
                )
                return
        minimum, maximum = rule.minimum, rule.maximum
        if minimum is not None and maximum is not None and minimum > maximum:
            self.note((*place, "minimum"), "is more than the maximum")
        tests = tests_of(replace(rule, enum=None))
        for value in rule.enum or ():
            broken = next((kind for kind, passes in tests if not passes(value)), None)
            if broken == "type_mismatch":
                allowed = " or ".join(rule.types) or "value"
                fit = f" that fits {rule.data_type}" if rule.data_type else ""
                self.note((*place, "enum"), f"{shown(value)} is no {allowed}{fit}")
            elif broken is not None:
                self.note(
                    (*place, "enum"),
                    f"{shown(value)} is not allowed by {broken} beside it",
                )


def plant(properties: dict[str, Rule], path: list[str], rule: Rule) -> str | None:
    """Put a rule where its path leads; says what is wrong with that, if anything is.

    What lies on the way is an object.
    """
    name, *rest = path
    known = properties.get(name)
    if rest:
        parent = known or Rule(types=("object",))
        inside = dict(parent.properties)
        problem = plant(inside, rest, rule)
        properties[name] = replace(parent, properties=inside)
    else:
        planted = dict(known.properties) if known else {}
        is_new = known in (None, Rule(types=("object",), properties=planted))
        problem = None if is_new else "is planned twice"
        inside = planted | dict(rule.properties)
        properties[name] = replace(rule, properties=inside)
    types = properties[name].types
    if inside and known and types and "object" not in types:
        problem = f"{name} is to be {' or '.join(types)}, so nothing can be inside it"
    return problem


def shown(value: Any) -> str:
    """A value for a message, as the yml may have it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
