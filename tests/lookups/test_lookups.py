"""Events with what was looked up, against a plain evaluation; files and mistakes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from orchestration.conditions.catalogue import Catalogue, Table, read_catalogue
from orchestration.conditions.comparisons import Column
from orchestration.conditions.dbt_sql import for_database
from orchestration.conditions.reading import Mistakes
from orchestration.lookups.compiling import (
    compile_lookups,
    forget_counts,
    lookup_problems,
    read_all,
)
from orchestration.lookups.definitions import Enriched
from orchestration.lookups.queries import counts_query, enriched_query
from orchestration.lookups.reading import read_enriched

START = datetime(2026, 11, 1, tzinfo=UTC)
YML = """\
models:
  - name: viewed_enriched
    config:
      meta:
        enriches: viewed
        lookups:
          product: {property: product_id, model: products, key: sku}
          gift: {property: gift_id, model: products, key: sku}
          price:
            property: product_id
            model: prices
            key: sku
            valid_from: since
            valid_to: until
    columns:
      - {name: brand, data_type: varchar, config: {meta: {lookup: product.brand}}}
      - {name: gift_brand, data_type: varchar, config: {meta: {lookup: gift.brand}}}
      - {name: amount, data_type: bigint, config: {meta: {lookup: price.amount}}}
      - {name: is_gift_known, description: The flag of a lookup may be described.}
      - {name: product_id, description: So may a column of the event.}
"""
SQL = """\
{{ config(materialized='view') }}

with

viewed as (

    select * from {{ ref('viewed') }}

),

products as (

    select * from {{ ref('products') }}

),

prices as (

    select * from {{ ref('prices') }}

)

select
    viewed.message_id,
    viewed.timestamp,
    viewed.received_at,
    viewed.product_id,
    viewed.gift_id,
    product_products.brand,
    case
        when viewed.product_id is not null
            then product_products.sku is not null
    end as is_product_known,
    gift_products.brand as gift_brand,
    case
        when viewed.gift_id is not null
            then gift_products.sku is not null
    end as is_gift_known,
    prices.amount,
    case
        when viewed.product_id is not null
            then prices.sku is not null
    end as is_price_known
from viewed
left join products as product_products
    on viewed.product_id = product_products.sku
left join products as gift_products
    on viewed.gift_id = gift_products.sku
left join prices
    on
        viewed.product_id = prices.sku
        and prices.since <= viewed.timestamp
        and (prices.until is null or viewed.timestamp < prices.until)
"""


def table(model: str, title: str = "", **columns: str) -> Table:
    found = {name: Column(name, data_type) for name, data_type in columns.items()}
    return Table(model, "main", found, title)


VIEWED = table(
    "viewed",
    "Product Viewed",
    message_id="varchar",
    timestamp="timestamptz",
    received_at="timestamptz",
    product_id="varchar",
    gift_id="varchar",
)
TABLES = {
    "viewed": VIEWED,
    "products": table("products", sku="varchar", brand="varchar", weight="double"),
    "prices": table(
        "prices",
        sku="varchar",
        amount="bigint",
        since="timestamptz",
        until="timestamptz",
    ),
    "unnamed": table("unnamed"),
}
KEYS = {
    ("products", frozenset({"sku"})),
    ("prices", frozenset({"sku", "since"})),
    ("unnamed", frozenset({"id"})),
}
CATALOGUE = Catalogue({"viewed": VIEWED}, {}, frozenset(), TABLES, keys=frozenset(KEYS))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the lookups of one event, not yet compiled."""
    for folder in ("events", "monitoring"):
        (tmp_path / "project/models" / folder).mkdir(parents=True)
    write(tmp_path / "project", YML)
    return tmp_path / "project"


def write(project: Path, text: str, name: str = "viewed_enriched") -> None:
    (project / f"models/events/{name}.yml").write_text(text)


Event = tuple[str, datetime, datetime, str | None, str | None]
Period = tuple[str, int, datetime, datetime | None]

SKUS = st.sampled_from(["a", "b", "c", ""])
MOMENTS = st.integers(0, 50).map(lambda hours: START + timedelta(hours=hours))
EVENTS = st.lists(
    st.tuples(MOMENTS, MOMENTS, st.none() | SKUS, st.none() | SKUS), max_size=30
)
PRODUCTS = st.dictionaries(SKUS, st.none() | st.sampled_from(["Acme", "Bolt"]))
# When the prices of a product began, and whether the last one still holds.
PRICES = st.dictionaries(
    SKUS,
    st.tuples(st.lists(MOMENTS, min_size=1, max_size=4, unique=True), st.booleans()),
)


@settings(deadline=None, max_examples=40)
@given(events=EVENTS, products=PRODUCTS, prices=PRICES)
def test_each_event_is_there_once_with_what_is_known(
    events: list[tuple[datetime, datetime, str | None, str | None]],
    products: dict[str, str | None],
    prices: dict[str, tuple[list[datetime], bool]],
) -> None:
    viewed = [(f"m{number}", *event) for number, event in enumerate(events)]
    periods = list(periods_of(prices))
    found, counted = run(
        {
            "viewed": viewed,
            "products": [(sku, brand, 1.0) for sku, brand in products.items()],
            "prices": periods,
        }
    )
    expected = [evaluated(event, products, periods) for event in viewed]
    assert sorted(found, key=str) == sorted(expected, key=str)
    counts: dict[tuple[str, str, date], Counter[bool | None]] = {}
    for row in expected:
        for lookup, place in (("product", 6), ("gift", 8), ("price", 10)):
            key = ("viewed_enriched", lookup, row[2].date())
            counts.setdefault(key, Counter())[row[place]] += 1
    assert sorted(counted) == sorted(
        (*key, count.total(), count[True], count[False], count[None])
        for key, count in counts.items()
    )


def periods_of(prices: dict[str, tuple[list[datetime], bool]]) -> Iterator[Period]:
    for sku, (begun, is_open) in prices.items():
        starts = sorted(begun)
        for number, since in enumerate(starts):
            is_last = number == len(starts) - 1
            if not is_last or is_open:
                yield sku, number, since, None if is_last else starts[number + 1]


def evaluated(
    event: Event, products: dict[str, str | None], periods: list[Period]
) -> tuple[Any, ...]:
    """The event's row, looked up by hand."""
    _, at, _, product, gift = event
    brands = [products.get(sku) if sku is not None else None for sku in (product, gift)]
    is_known = [None if sku is None else sku in products for sku in (product, gift)]
    amounts = [
        amount
        for sku, amount, since, until in periods
        if sku == product and since <= at and (until is None or at < until)
    ]
    assert len(amounts) <= 1
    return (
        *event,
        *(brands[0], is_known[0], brands[1], is_known[1]),
        amounts[0] if amounts else None,
        None if product is None else bool(amounts),
    )


def run(rows: dict[str, list[Any]]) -> tuple[list[Any], list[Any]]:
    """What the model and the counts of all lookups give, of these rows."""
    [enriched] = enriched_of(YML)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for name, found in rows.items():
            columns = TABLES[name].columns.values()
            typed = ", ".join(f"{one.name} {one.data_type}" for one in columns)
            connection.execute(f"create table {name} ({typed})")
            if found:
                marks = ", ".join("?" * len(columns))
                insertion = f"insert into {name} values ({marks})"  # noqa: S608
                connection.executemany(insertion, found)
        model = for_database(enriched_query(enriched), now=START, table_of=exp.table_)
        connection.execute(f"create view viewed_enriched as {model.sql('duckdb')}")
        counts = for_database(counts_query([enriched]), now=START, table_of=exp.table_)
        return (
            connection.execute("from viewed_enriched").fetchall(),
            connection.execute(counts.sql("duckdb")).fetchall(),
        )


def enriched_of(text: str) -> list[Enriched]:
    [entry] = yaml.safe_load(text)["models"]
    mistakes = Mistakes()
    found = read_enriched(entry, CATALOGUE, mistakes)
    assert not mistakes.found
    return [found] if found else []


def test_models_are_written_compared_and_taken_away(project: Path) -> None:
    """They are laid out as people's are, so that people can go on with them."""
    sql = project / "models/events/viewed_enriched.sql"
    counts = project / "models/monitoring/lookup_counts.sql"
    assert lookup_problems(project, CATALOGUE) == [
        f"project/models/{name} is not there; run ./kith lookup compile"
        for name in (
            "events/viewed_enriched.sql: viewed_enriched.sql",
            "monitoring/lookup_counts.sql: lookup_counts.sql",
            "monitoring/lookup_counts.yml: lookup_counts.yml",
        )
    ]
    written = [
        "wrote project/models/events/viewed_enriched.sql",
        "wrote project/models/monitoring/lookup_counts.sql",
        "wrote project/models/monitoring/lookup_counts.yml",
    ]
    assert compile_lookups(project, CATALOGUE) == (written, [])
    assert sql.read_text().partition("\n")[2] == SQL
    assert compile_lookups(project, CATALOGUE) == ([], [])
    assert lookup_problems(project, CATALOGUE) == []

    write(project, YML.replace("gift_brand", "brand_of_gift"))
    assert lookup_problems(project, CATALOGUE) == [
        "project/models/events/viewed_enriched.sql: viewed_enriched.sql is not what "
        "its definition gives; run ./kith lookup compile"
    ]
    sql.write_text(sql.read_text() + "-- mine\n")
    assert lookup_problems(project, CATALOGUE) == []
    assert compile_lookups(project, CATALOGUE)[1] == [
        "project/models/events/viewed_enriched.sql was edited by hand; --overwrite "
        "replaces it by what viewed_enriched.yml defines, or take the definition out "
        "of the yml"
    ]
    assert compile_lookups(project, CATALOGUE, overwrite=True) == (written[:1], [])

    write(project, "models: [{name: viewed_enriched}]")
    assert len(lookup_problems(project, CATALOGUE)) == 3
    removed, _ = compile_lookups(project, CATALOGUE)
    assert removed == [one.replace("wrote", "removed") for one in written]
    assert not sql.exists()
    assert not counts.exists()


def test_counts_of_a_model_that_is_gone_do_not_keep_dbt_from_reading(
    project: Path,
) -> None:
    compile_lookups(project, CATALOGUE)
    counts = project / "models/monitoring/lookup_counts.sql"
    forget_counts(project)
    assert counts.exists()
    (project / "models/events/viewed_enriched.sql").unlink()
    forget_counts(project)
    assert not counts.exists()
    assert not counts.with_suffix(".yml").exists()


MISTAKES = [
    ("enriches: viewed", "enriches: veiwed", 5, "unknown event model 'veiwed'; did yo"),
    ("        enriches: viewed\n", "", 4, "enriches: is missing; there are: viewed"),
    ("product: {property", "Product: {property", 7, "is in snake_case"),
    ("{property: gift_id, model: products, key: sku}", "gifts", 8, "has the keys prop"),
    ("gift_id, model", "gift, model", 8, "unknown property 'gift'; did you mean 'gift"),
    ("{property: gift_id, ", "{", 8, "lookups.gift.property: is missing"),
    ("model: prices", "model: price", 11, "unknown model 'price'; did you mean 'price"),
    ("gift_id, model: products", "gift_id", 8, "lookups.gift.model: is missing"),
    ("products, key: sku}", "products}", 7, "products has no column 'product_id'; the"),
    ("products, key: sku}", "products, kee: sku}", 7, "unknown key; did you mean 'key"),
    ("products, key: sku}", "products, key: weight}", 7, "products.weight is double,"),
    ("products, key: sku}", "products, key: brand}", 7, "no test says that brand of p"),
    ("            valid_to: until\n", "", 9, "a history has both valid_from and valid"),
    ("valid_to: until", "valid_to: untill", 14, "no column 'untill'; did you mean 'un"),
    ("valid_to: until", "valid_to: amount", 14, "prices.amount is bigint, has to be a"),
    ("valid_from: since", "valid_from: until", 11, "sku and until of prices are uniq"),
    ("lookup: product.brand", "lookup: products.brand", 16, "unknown lookup 'products"),
    ("lookup: product.brand", "lookup: product.brnd", 16, "products has no column 'br"),
    ("lookup: product.brand", "lookup: product", 16, "products has no column ''; ther"),
    ("{meta: {lookup: product.brand}}", "{}", 16, "says in config.meta.lookup what it"),
    ("name: brand, data_type: varchar", "name: brand", 16, "is missing; it is varchar"),
    ("amount, data_type: bigint", "amount, data_type: double", 18, "is double, but pr"),
    ("- {name: gift_brand", "- {name: gift_id", 17, "is a column that the model has a"),
    ("- {name: gift_brand", "- {name: is_gift_known", 17, "is a column that the model"),
    ("- {name: gift_brand", "- {name: Gift_ID", 17, "is a column that the model has a"),
    ("- {name: gift_brand", "- {name: Brand", 17, "stands here already"),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "line", "message"), MISTAKES)
def test_a_mistake_is_told_with_its_line(
    right: str, wrong: str, line: int, message: str, project: Path
) -> None:
    assert right in YML
    write(project, YML.replace(right, wrong, 1))
    found, problems = read_all(project, CATALOGUE)
    assert found == []
    place = f"project/models/events/viewed_enriched.yml:{line}: "
    assert any(one.startswith(place) and message in one for one in problems), problems
    assert compile_lookups(project, CATALOGUE) == ([], problems)
    assert not (project / "models/events/viewed_enriched.sql").exists()


def test_of_a_table_whose_yml_names_no_columns_any_may_be_there(project: Path) -> None:
    text = YML.replace("model: products, key: sku", "model: unnamed, key: id")
    write(project, text)
    assert read_all(project, CATALOGUE)[1] == []


def test_a_key_that_is_unique_among_some_rows_is_not(tmp_path: Path) -> None:
    def unique(name: str, **config: str) -> dict[str, Any]:
        return {
            "name": name,
            "resource_type": "test",
            "package_name": "kith",
            "attached_node": "model.kith.products",
            "test_metadata": {"name": "unique", "kwargs": {"column_name": name}},
            "config": {"severity": "ERROR", **config},
        }

    model = {
        "name": "products",
        "resource_type": "model",
        "package_name": "kith",
        "schema": "main",
        "fqn": ["kith", "entities", "products"],
        "columns": {},
        "config": {"materialized": "table"},
    }
    nodes = {"a": unique("sku"), "b": unique("ean", where="is_sold")}
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps({"nodes": {"model.kith.products": model, **nodes}}))
    assert read_catalogue(file).keys == {("products", frozenset({"sku"}))}


def test_what_a_lookup_adds_is_not_there_yet(project: Path) -> None:
    columns = {**VIEWED.columns, "IS_GIFT_KNOWN": Column("IS_GIFT_KNOWN", "boolean")}
    catalogue = replace(CATALOGUE, events={"viewed": replace(VIEWED, columns=columns)})
    problems = read_all(project, catalogue)[1]
    assert "viewed_enriched.yml:8: lookups.gift: viewed has a column" in problems[0]


def test_what_is_personal_is_said_to_be_where_it_is_added(project: Path) -> None:
    brand = Column("brand", "varchar", is_pii=True)
    products = TABLES["products"]
    personal = replace(products, columns={**products.columns, "brand": brand})
    catalogue = replace(CATALOGUE, tables={**TABLES, "products": personal})
    problems = read_all(project, catalogue)[1]
    told = "products.brand is personal; say pii here too, as {lookup: "
    assert [problem.partition(": ")[2] for problem in problems] == [
        f"brand: {told}product.brand, pii: name}}",
        f"gift_brand: {told}gift.brand, pii: name}}",
    ]
    marked = YML.replace(".brand}", ".brand, pii: name}")
    write(project, marked)
    assert read_all(project, catalogue)[1] == []


def test_an_event_is_enriched_once(project: Path) -> None:
    events = {
        "viewed": VIEWED,
        "other": replace(VIEWED, model="other", enriches="viewed"),
    }
    catalogue = replace(CATALOGUE, events=events)
    [problem] = read_all(project, catalogue)[1]
    assert "viewed_enriched.yml:5: enriches: other enriches 'viewed' already" in problem


def test_an_event_is_read_enriched_where_only_that_has_what_is_asked() -> None:
    columns = {**VIEWED.columns, "brand": Column("brand", "varchar")}
    other = replace(VIEWED, model="rich", enriches="viewed", columns=columns)
    catalogue = replace(CATALOGUE, events={"rich": other, "viewed": VIEWED})
    plain: list[Any] = [None, {}, {"where": [{"property": "gift_id", "equals": "a"}]}]
    rich: list[Any] = [
        {"property": "brand"},
        {"where": {"any": [{"property": "gift_id"}, {"not": {"property": "brand"}}]}},
        {"where": {"property": "gift_id", "equals": {"property": "brand"}}},
    ]
    for name in ("viewed", "Product Viewed"):
        assert [catalogue.event(name, asked) for asked in plain] == [VIEWED] * 3
        assert [catalogue.event(name, asked) for asked in rich] == [other] * 3
    assert catalogue.event("rich") == other
    assert (
        replace(catalogue, events={"viewed": VIEWED}).event("viewed", rich[0]) == VIEWED
    )
    assert catalogue.event("wiewed") is None
