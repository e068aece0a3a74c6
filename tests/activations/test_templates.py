"""Templates: values keep their type, data is never code, typos are errors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activations.templates import (
    TemplateError,
    compile_path,
    compile_value,
    leaves_alone,
    takes_whole,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)


def render(template: Any, record: Any) -> Any:
    return compile_value(template, names=("record",))({"record": record})


@given(value=JSON)
def test_one_expression_alone_gives_the_value_itself(value: Any) -> None:
    assert render("{{ record }}", {"a": value}) == {"a": value}
    assert render({"x": ["{{ record.a }}"]}, {"a": value}) == {"x": [value]}


@given(text=st.text())
def test_a_record_is_never_a_template(text: str) -> None:
    for value in (text, "{{ 7 * 7 }}" + text, "{% for x in y %}" + text):
        assert render("{{ record.a }}", {"a": value}) == value
        assert render("[{{ record.a }}]", {"a": value}) == f"[{value}]"


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ record.n }}", 5),
        ("{{ -record.n }}", -5),
        ("  {{- record.n -}}  ", 5),
        ("{{ (record).n }}", 5),
        ("{{ ((record)) }}", {"n": 5, "items": "field", "keys": "other", "none": None}),
        ("{{ record.n }}{{ record.n }}", "55"),
        ("n={{ record.n }}", "n=5"),
        ("{{ {'q': {'z': record.n}} }}", {"q": {"z": 5}}),
        ("{{ record.items }}", "field"),
        ("{{ record['keys'] }}", "other"),
        ("{{ record | without_nulls }}", {"n": 5, "items": "field", "keys": "other"}),
        ("{{ record.none | default('x') }}", None),
        ("plain", "plain"),
        (7, 7),
    ],
)
def test_what_templates_give(template: Any, value: Any) -> None:
    record = {"n": 5, "none": None, "items": "field", "keys": "other"}
    assert render(template, record) == value


@pytest.mark.parametrize(
    "template",
    [
        "{{ record.missing }}",
        "{{ record.missing.deeper }}",
        "x {{ record.missing }}",
        "x {{ record.none }}",
        "{{ record.none | required('needs it') }}",
        "{{ recrod }}",
        "{{ range(9) }}",
        "{% if record %}x{% endif %}",
        "{# comment #}",
        "{{ record",
        "{{ record.n / 0 }}",
        "{{ record.n + 'x' }}",
        "{{ record.n.__class__ }}",
        "{{ record.text.format }}{{ ''.__class__.__mro__ }}",
    ],
)
def test_what_is_refused(template: str) -> None:
    with pytest.raises(TemplateError):
        render(template, {"n": 5, "none": None, "text": "t"})


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(TemplateError, match=r"uses recrod\. Names here: key, record"):
        compile_value("{{ recrod }}", names=("record", "key"))


def test_values_cannot_leave_their_part_of_a_path() -> None:
    path = compile_path("/lists/{{ key }}/members", names=("key",))
    assert path({"key": "a/../b?c#d é"}) == "/lists/a%2F..%2Fb%3Fc%23d%20%C3%A9/members"
    with pytest.raises(TemplateError):
        path({"key": None})


@pytest.mark.parametrize(
    ("template", "is_whole", "is_left_alone"),
    [
        ("{{ record }}", True, False),
        ({"x": ["{{- record -}}", "{{ key }}"]}, True, False),
        ("{{ record.n }}", False, False),
        ("{{ record | without_nulls }}", False, False),
        ("{{ record }}!", False, False),
        ("{{ key }}{{ record }}", False, False),
        ({"x": ["{{ record }}", "{{ record.n }}"]}, False, False),
        (["{{ key | trimmed }}", "record", 7, None], True, True),
    ],
)
def test_what_looks_into_a_value_is_told(
    template: Any, is_whole: bool, is_left_alone: bool
) -> None:
    assert takes_whole(template, {"record"}) == is_whole
    assert leaves_alone(template, {"record"}) == is_left_alone
