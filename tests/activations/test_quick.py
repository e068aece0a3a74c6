"""What is quick is no different: plain expressions, and JSON."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from activations.filters import FILTERS
from activations.json_values import (
    json_bytes,
    json_carrier,
    json_reader,
    json_text,
)
from activations.quick import compile_quick
from activations.templates import _TEXT, TemplateError, compile_value

CONTEXT: dict[str, Any] = {
    "key": "a@example.com",
    "record": {"email": " A@Example.com ", "items": [1], "none": None, "n": 5},
    "prepared": {"list": {"id": 7}},
    "ref": None,
}
PLAIN = [
    "key",
    "record",
    "record.email",
    "record.items",
    "record['email']",
    "prepared.list.id",
    "record | without_nulls",
    "record.email | email | sha256",
    "record.none | email",
    "ref",
    "'text'",
    "5",
]
NOT_PLAIN = ["record.n + 1", "record.none | default('x', true)", "record.items[0]"]


@pytest.mark.parametrize("source", PLAIN + NOT_PLAIN)
def test_a_quick_expression_gives_what_jinja_gives(source: str) -> None:
    quick = compile_quick(source, environment=_TEXT, filters=FILTERS)
    assert (quick is not None) == (source in PLAIN)
    expected = _TEXT.compile_expression(source, undefined_to_none=False)(**CONTEXT)
    rendered = compile_value(f"{{{{ {source} }}}}", names=CONTEXT)(CONTEXT)
    assert rendered == expected
    if quick is not None:
        assert quick(CONTEXT) == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("record.missing", "the value is not there"),
        ("ref.id", "ref"),
        ("ref | required('no id yet')", "no id yet"),
    ],
)
def test_what_is_missing_is_told_as_jinja_tells_it(source: str, message: str) -> None:
    render = compile_value(f"{{{{ {source} }}}}", names=CONTEXT)
    with pytest.raises(TemplateError, match=message):
        render(CONTEXT)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("12345678901234567890123::hugeint", 12345678901234567890123),
        ("18446744073709551615::ubigint", 18446744073709551615),
        ("98765432109876543210::decimal(38, 0)", 98765432109876543210),
        (
            "{'inner': 12345678901234567890123::hugeint}",
            {"inner": 12345678901234567890123},
        ),
        ("[1, 12345678901234567890123::hugeint]", [1, 12345678901234567890123]),
        ("0.1::double", 0.1),
        ("'ü \\ud800 \"'", 'ü \\ud800 "'),
    ],
)
def test_numbers_and_texts_of_duckdb_are_exact(column: str, value: Any) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"create table t as select {column} as x")
        ((_, kind, *_),) = connection.execute("describe t").fetchall()
        ((text,),) = connection.execute(
            "select cast(to_json({x: x}) as varchar) from t"
        ).fetchall()
    found = json_reader([kind])(text)
    assert found == {"x": value}
    assert type(found["x"]) is type(value)
    assert json.loads(json_bytes(found)) == {"x": value}


@st.composite
def long_decimals(draw: st.DrawFn) -> Decimal:
    """As a column decimal(38, n) may have them."""
    places = draw(st.integers(1, 18))
    whole = draw(st.integers(-(10**19), 10**19) | st.integers(-99, 99))
    return Decimal(whole).scaleb(-places) + draw(st.integers(-(10**6), 10**6))


@given(number=long_decimals())
def test_decimals_keep_their_digits(number: Decimal) -> None:
    text = f'{{"x":{number:f}}}'
    found = json_reader(["DECIMAL(38,18)"])(text)
    for written in (json_bytes(found), json_bytes({**found, "beside": 2**70})):
        assert json.loads(written, parse_float=Decimal)["x"] == number
    assert Decimal(json_text(found["x"])) == number
    nested = json_text({"é": [found]})
    assert json.loads(nested, parse_float=Decimal) == {"é": [{"x": number}]}
    shown = compile_value("{{ x }} {{ x * 2 }}", names=["x"])(found)
    exact, _, doubled = str(shown).partition(" ")
    assert Decimal(exact) == number
    assert float(doubled) == float(number) * 2
    assert found["x"].is_integer() == (number == int(number))
    assert int(found["x"]) == int(number)


@pytest.mark.parametrize("width", [15, 16, 18, 19, 38])
def test_duckdb_writes_all_digits_of_a_decimal(width: int) -> None:
    digits = "1234567890" * 4
    text = f"{digits[: width - 2]}.{digits[width - 2 : width]}"
    with duckdb.connect() as connection:
        ((found,),) = connection.execute(
            f"select cast(to_json({{x: {text}::decimal({width}, 2)}}) as varchar)"
        ).fetchall()
    assert found == f'{{"x":{text}}}'
    assert json_bytes(json_reader([f"DECIMAL({width},2)"])(found)).decode() == found


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(value=JSON_VALUES, kind=st.sampled_from(["VARCHAR", "DOUBLE", "JSON"]))
def test_what_is_carried_is_written_as_what_is_read(value: Any, kind: str) -> None:
    text = json.dumps(value, ensure_ascii=False)
    is_number = "NaN" not in text and "Infinity" not in text
    assume(is_number or kind != "VARCHAR")  # a text column has no other numbers
    written = []
    for reader in (json_reader, json_carrier):
        try:
            # Beside an integer that only the standard library writes.
            beside = {"carried": reader([kind])(text), "beside": 2**70}
            written.append(json.loads(json_bytes(beside)))
        except ValueError:
            written.append("refused")
    assert written[0] == written[1]


@pytest.mark.parametrize("number", ["nan", "-NAN", "inf", "-Infinity", "NaN"])
def test_what_is_no_number_in_json_of_duckdb_is_refused(number: str) -> None:
    """DuckDB takes more spellings than Python, and keeps them; texts are left alone."""
    with duckdb.connect() as connection:
        value = f'{{"number": {number}, "text": "a \\" nan", "inf": 1}}'
        ((text,),) = connection.execute(
            "select cast(to_json({x: $value::json}) as varchar)", {"value": value}
        ).fetchall()
    for reader in (json_reader, json_carrier):
        found = reader(["JSON"])(text)["x"]
        assert (found["text"], found["inf"]) == ('a " nan', 1)
        with pytest.raises(ValueError, match="Out of range"):
            json_bytes(found)


@pytest.mark.parametrize("number", ["1e400", "1e-400", "1e-99999999999999999999"])
def test_a_number_of_any_size_is_written_as_it_was(number: str) -> None:
    assert json_bytes(json_reader(["JSON"])(f"[{number}]")) == f"[{number}]".encode()


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_never_written_as_null(text: str) -> None:
    found = json_reader(["DOUBLE"])(f'{{"x": {text}}}')
    with pytest.raises(ValueError, match="Out of range"):
        json_bytes(found)


def test_what_the_standard_library_refuses_is_refused() -> None:
    from datetime import date

    with pytest.raises(TypeError):
        json_bytes({"on": date(2026, 11, 22)})
