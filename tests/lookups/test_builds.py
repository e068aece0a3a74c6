"""Lookups from yml to what dbt builds: events, and what asks for what was found."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestration.audiences.compiling import compile_audiences
from orchestration.audiences.definitions import read_definitions
from orchestration.conditions.catalogue import read_catalogue
from orchestration.conditions.docs_blocks import add_missing
from orchestration.lookups.compiling import compile_lookups
from orchestration.project import prepare_manifest
from orchestration.traits.compiling import FOLDER as TRAITS
from orchestration.traits.compiling import compile_topics, write_topics
from profiles.published import connect, publish
from tests.dbt.conftest import PROJECT_DIR, Project, event_row
from tests.dbt.test_audiences import profile_of

FILES = {
    "models/entities/products.sql": "select * from {{ source('shop', 'products') }}",
    "models/entities/products.yml": """\
sources:
  - name: shop
    tables: [{name: products}]
models:
  - name: products
    description: What the shop sells. One row per product.
    columns:
      - {name: sku, data_type: varchar, data_tests: [unique]}
      - {name: brand, data_type: varchar}
      - {name: weight, data_type: bigint}
""",
    "models/events/product_viewed_enriched.yml": """\
models:
  - name: product_viewed_enriched
    description: Product Viewed, with its brand of today. One row per event.
    config:
      meta:
        enriches: product_viewed
        lookups:
          product: {property: product_id, model: products, key: sku}
    columns:
      - {name: brand, data_type: varchar, config: {meta: {lookup: product.brand}}}
      - {name: weight, data_type: bigint, config: {meta: {lookup: product.weight}}}
""",
}
READERS = {
    "models/audiences/acme_fans.yml": """\
models:
  - name: acme_fans
    description: '{{ doc("definition__acme_fans") }} One row per profile.'
    config:
      meta:
        owner: us
        definition:
          - {did: Product Viewed, where: [{property: brand, equals: Acme}]}
          - {did: Product Viewed, where: [{property: product_id, exists: true}]}
""",
    "models/traits/traits_brands.yml": """\
models:
  - name: traits_brands
    description: Brands that people look at. One row per profile.
    config: {meta: {traits: {per: profile}}}
    columns:
      - {name: profile_id, data_type: varchar}
      - name: heaviest_view
        data_type: bigint
        config:
          meta:
            trait:
              {type: aggregation, function: maximum, event: product_viewed,
               property: weight, where: [{property: is_product_known, equals: true}]}
""",
}
SELECTION = ("--select", "+acme_fans", "+traits_brands", "lookup_counts")


@pytest.fixture(scope="module")
def shop(
    make_project: Callable[[], Project], tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """A project whose lookups and what uses them have been compiled."""
    directory = tmp_path_factory.mktemp("project") / "dbt_project"
    shutil.copytree(PROJECT_DIR, directory)
    project = make_project()
    project.project_dir = directory
    # With a model that is there before it is compiled, one parse knows all.
    write(directory, {**FILES, "models/events/product_viewed_enriched.sql": "select 1"})
    write(directory, READERS)
    for folder in ("models/audiences", TRAITS):
        add_missing(directory / folder)
    manifest = prepare_manifest(project.data_dir, project_dir=directory)
    catalogue = read_catalogue(manifest)
    changes, problems = compile_lookups(directory, catalogue, overwrite=True)
    assert (len(changes), problems) == (3, [])
    definitions = read_definitions(directory, catalogue)
    assert definitions.problems == []
    compile_audiences(definitions, directory, names=frozenset({"acme_fans"}))
    topics, mistakes = compile_topics(directory, catalogue, ["traits_brands"])
    assert mistakes == []
    write_topics(directory, topics)
    return project


def write(directory: Path, files: dict[str, str]) -> None:
    for file, text in files.items():
        (directory / file).write_text(text)


def sell(project: Project, products: str) -> None:
    """These are the products of the shop from now on."""
    project.query(
        "create or replace table shop.products as "  # noqa: S608 -- those below
        f"select * from (values {products}) as products (sku, brand, weight)"
    )


def seen(project: Project) -> list[tuple[object, ...]]:
    return project.query(
        """
        select message_id, product_id, brand, weight, is_product_known
        from events.product_viewed_enriched order by message_id
        """
    )


def test_events_are_enriched_and_what_reads_them_follows_the_warehouse(
    shop: Project,
) -> None:
    viewed = [("m1", "ann", "mug"), ("m2", "ann", "cup"), ("m3", "ben", "cup")]
    viewed += [("m4", "ben", "gone")]
    shop.land(
        [
            event_row(
                event="Product Viewed",
                message_id=message,
                anonymous_id=person,
                properties={"product_id": product},
                minute=minute,
            )
            for minute, (message, person, product) in enumerate(viewed)
        ],
        segment="a",
    )
    shop.query("create schema shop")
    sell(shop, "('mug', 'Acme', 3), ('cup', null, 5), ('jug', 'Acme', 9)")
    shop.dbt("run", *SELECTION)
    rows = [
        ("m1", "mug", "Acme", 3, True),
        ("m2", "cup", None, 5, True),
        ("m3", "cup", None, 5, True),
        ("m4", "gone", None, None, False),
    ]
    assert seen(shop) == rows
    counted = ("product_viewed_enriched", "product", 4, 3, 1, 0)
    counts = """
        select
            model, lookup, event_count, known_count, unknown_count, keyless_count
        from monitoring.lookup_counts
    """
    assert shop.query(counts) == [counted]
    published = shop.data_dir / "published"
    publish(shop.data_dir / "warehouse.duckdb", published)
    with connect(published) as connection:
        assert connection.execute(counts).fetchall() == [counted]
    ann, ben = profile_of(shop, "ann"), profile_of(shop, "ben")
    members = "select profile_id from audiences.acme_fans order by all"
    assert shop.query(members) == [(ann,)]
    traits = "select * from traits.traits_brands order by all"
    assert shop.query(traits) == sorted([(ann, 5), (ben, 5)])
    # What asks for nothing that was looked up still reads the event itself.
    [(read,)] = shop.query(
        "select count(*) from audiences.conditions_product_viewed "
        "inner join audiences.conditions_product_viewed_enriched using (profile_id)"
    )
    assert read == 2

    # No event comes, but the warehouse knows better; the past is seen with it.
    sell(shop, "('mug', 'Bolt', 3), ('cup', 'Acme', 1), ('gone', 'Bolt', 8)")
    shop.dbt("run", *SELECTION)
    assert shop.query(members) == sorted([(ann,), (ben,)])
    assert shop.query(traits) == sorted([(ann, 3), (ben, 8)])
    assert seen(shop)[3] == ("m4", "gone", "Bolt", 8, True)
    assert shop.query(counts) == [(*counted[:3], 4, 0, 0)]
