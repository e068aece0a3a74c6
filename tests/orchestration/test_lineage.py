"""Who reads a property, found in SQL: the ways that a query can take a value."""

from __future__ import annotations

from typing import Any

import pytest

from collector.plan import PlannedEvent, Rule
from orchestration.lineage.models import Lineage, Reader
from orchestration.lineage.paths import parse_path, shown_path

ORDER = PlannedEvent(
    name="Order Completed",
    properties={"total": Rule(), "coupon": Rule(), "lines": Rule()},
    columns={"total": "total"},
    model="order_completed",
)
SIGN_UP = PlannedEvent(name="identify", type="identify", model="")
ORDERS = """
    select
        profile_id, timestamp,
        json_extract_string(properties, '$."total"') as total,
        json_extract_string(properties, '$."coupon"') as coupon,
        json_extract(properties, '$."lines"') as lines,
    from w.events.events where event = 'Order Completed' and is_compliant
"""
REFUND = PlannedEvent(
    name="Order Refunded",
    properties={"total": Rule()},
    columns={"total": "total"},
    model="order_refunded",
)
REFUNDS = """
    select profile_id, json_extract_string(properties, '$."total"') as total
    from w.events.events where event = 'Order Refunded'
"""
RENAMED = """
    select * replace (case when type <> 'track' then type else event end as event)
    from w.staging.stg_events
"""
EVENTS = """
    with blocked as (select message_id from w.staging.event_violations where flaw),
    documents as (
        select message_id, 'properties' as name, properties as body
        from w.staging.renamed_events
        union all
        select message_id, 'traits' as name, traits as body
        from w.staging.renamed_events
    ),
    cut as (
        select message_id, max(case when name = 'properties' then body end) as body
        from documents group by message_id
    )
    select
        stored.* replace (coalesce(cut.body, stored.properties) as properties),
        blocked.message_id is null as is_compliant,
        'p' as profile_id
    from w.staging.renamed_events as stored
    left join cut on stored.message_id = cut.message_id
    left join blocked on stored.message_id = blocked.message_id
"""
STORED = "select message_id, type, event, properties, traits, context, timestamp from x"


def lineage(former_orders: str | None = None, **models: str) -> Lineage:
    """The project above with more models; `traits_x` stands in the folder `traits`."""
    nodes = [
        _node("staging", "stg_events", STORED),
        _node("staging", "renamed_events", RENAMED),
        _node("staging", "event_violations", "select * from w.staging.stg_events"),
        _node("events", "events", EVENTS),
        _node("events", "order_completed", models.pop("order_completed", ORDERS)),
        _node("events", "order_refunded", REFUNDS),
        *(_node(name.split("_")[0], name, sql) for name, sql in models.items()),
    ]
    manifest = {
        "metadata": {"adapter_type": "duckdb"},
        "nodes": {node["name"]: node for node in nodes},
    }
    former = {}
    if former_orders:
        node = _node("events", "order_completed", former_orders)
        former = {"order_completed": (node, ORDER)}
    return Lineage(manifest, (ORDER, REFUND), former=former)


def _node(folder: str, name: str, sql: str) -> dict[str, Any]:
    return {
        "name": name,
        "alias": name,
        "schema": folder,
        "fqn": ["kith", folder, name],
        "resource_type": "model",
        "compiled_code": sql,
        "columns": {},
        "config": {"materialized": "table"},
        "depends_on": {"nodes": ["model.kith.order_completed"]},
    }


@pytest.mark.parametrize(
    "sql",
    [
        "select max(total) as x from w.events.order_completed",
        "select * from (select o.total * 2 as x from w.events.order_completed as o)",
        "with a as (select * from w.events.order_completed) select total as x from a",
        "with a(b, c, x) as (select * from w.events.order_completed) select x from a",
        "select 1 as x union all select abs(total) from w.events.order_completed",
        "with recursive r as (select total as x from w.events.order_completed"
        " union all select x + 1 from r) select x from r",
        "select (select max(total) from w.events.order_completed) as x",
        "select * replace (total + 1 as x) from"
        " (select total, 1 as x from w.events.order_completed)",
        "select total as y, y + 1 as x from w.events.order_completed",
        "select properties ->> '$.total' as x from w.events.events",
        "select texts[1] as x from (select json_extract_string(properties,"
        " ['$.coupon', '$.total']) as texts from w.events.events)",
        "select json_extract_string(p, '$.total') as x from"
        " (select coalesce(properties, '{}') as p from w.staging.stg_events)",
        "select properties as x from w.events.events where event = 'Order Completed'",
        "select found.value as x from w.events.events as e"
        " cross join lateral (select * from json_each(e.properties)) as found",
        "select list_transform([total], one -> one + 1) as x"
        " from w.events.order_completed",
        "select row_number() over (order by total) as x from w.events.order_completed",
        "select o.profile_id as x from w.events.events as e"
        " left join w.events.order_completed as o on o.total = e.message_id",
        "pivot w.events.order_completed on total using count(*) as x",
    ],
)
def test_a_column_is_made_of_the_property(sql: str) -> None:
    found = lineage(traits_x=sql).readers_of(ORDER, ("total",))
    assert [(one.kind, one.model) for one in found] == [("trait", "traits_x")]
    assert {"x", "*"} & set(found[0].columns)


@pytest.mark.parametrize(
    "sql",
    [
        "select 1 as x from w.events.order_completed where total > 100",
        "select 1 as x from w.events.order_completed group by profile_id"
        " having max(total) > 1",
        "select distinct on (total) 1 as x from w.events.order_completed",
        "select 1 as x from w.events.order_completed order by total limit 10",
        "select 1 as x from w.events.order_completed qualify row_number() over"
        " (order by total) = 1",
        "select 1 as x from w.events.events as e join w.events.order_completed as o"
        " on e.message_id = o.total",
        "select 1 as x from w.events.events where message_id in"
        " (select total from w.events.order_completed)",
        "select 1 as x from w.events.events as e where exists"
        " (select 1 from w.events.order_completed as o where o.total = e.message_id)",
    ],
)
def test_rows_are_chosen_by_the_property(sql: str) -> None:
    found = lineage(traits_x=sql).readers_of(ORDER, ("total",))
    assert found == (Reader("trait", "traits_x", (), rows=True),)


@pytest.mark.parametrize(
    "sql",
    [
        "select coupon as x from w.events.order_completed where coupon <> ''",
        "select coupon as x from (select * from w.events.order_completed)",
        "select * exclude (total) from w.events.order_completed",
        "select properties ->> '$.total' as x from w.events.events"
        " where event = 'Other'",
        "select traits ->> '$.total' as x from w.events.events",
        "select properties ->> '$.coupon' as x from w.events.events where is_compliant",
        "select json_extract_string(properties, ['$.coupon', '$.lines']) as x"
        " from w.events.events",
        "select e.message_id as x from w.events.events as e"
        " left join w.events.order_completed as o on o.total = e.message_id",
        "select profile_id as x from w.events.order_completed order by total",
    ],
)
def test_the_property_is_not_read(sql: str) -> None:
    assert lineage(traits_x=sql).readers_of(ORDER, ("total",)) == ()


def test_a_property_of_the_same_name_of_another_event_is_not_read() -> None:
    one = lineage(
        traits_paid="select sum(total) as paid from w.events.order_completed",
        traits_returned="select sum(r.total) as returned from w.events.order_completed"
        " as o left join w.events.order_refunded as r on o.profile_id = r.profile_id",
        traits_traits="select traits ->> '$.total' as x from w.events.events",
    )
    paid = Reader("trait", "traits_paid", ("paid",), rows=False)
    returned = Reader("trait", "traits_returned", ("returned",), rows=False)
    assert one.readers_of(ORDER, ("total",)) == (paid,)
    assert one.readers_of(REFUND, ("total",)) == (returned,)


def test_reading_goes_on_through_models() -> None:
    one = lineage(
        traits_value="select profile_id, sum(total) as value, count(*) as orders"
        " from w.events.order_completed group by profile_id",
        audiences_vip="select profile_id from w.traits.traits_value where value > 100",
        syncs_crm="select v.profile_id, t.orders from w.audiences.audiences_vip as v"
        " left join w.traits.traits_value as t on v.profile_id = t.profile_id",
        other_active="select profile_id from w.traits.traits_value where orders > 2",
    )
    assert one.readers_of(ORDER, ("total",)) == (
        Reader("model", "audiences_vip", (), rows=True),
        Reader("model", "syncs_crm", (), rows=True),
        Reader("trait", "traits_value", ("value",), rows=False),
    )
    everybody = {reader.model for reader in one.readers_of(ORDER, None)}
    assert everybody == {"audiences_vip", "syncs_crm", "traits_value", "other_active"}


@pytest.mark.parametrize(
    ("path", "is_read"),
    [("lines", True), ("lines[].price", True), ("lines[].name", False)],
)
def test_a_path_is_followed_into_json(path: str, is_read: bool) -> None:
    prices = "select lines -> '$[*].price' as x from w.events.order_completed"
    found = lineage(traits_x=prices).readers_of(ORDER, parse_path(path))
    assert bool(found) is is_read
    assert shown_path(parse_path(path)) == path


def test_who_asks_for_a_type_of_call_reads_its_traits() -> None:
    one = lineage(
        traits_email="select traits ->> '$.email' as email from w.events.events"
        " where type in ('identify') and event is null"
    )
    assert [r.model for r in one.readers_of(SIGN_UP, ("email",))] == ["traits_email"]
    assert [r.model for r in one.readers_of(SIGN_UP, None)] == ["traits_email"]
    group = PlannedEvent(name="group", type="group", model="")
    assert one.readers_of(group, ("email",)) == ()


def test_who_reads_a_column_that_is_gone_shows() -> None:
    without = ORDERS.replace(
        "json_extract_string(properties, '$.\"total\"') as total,", ""
    )
    asked = {"traits_x": "select total as x from w.events.order_completed"}
    now = lineage(order_completed=without, former_orders=ORDERS, **asked)
    assert now.readers_of(ORDER, ("total",)) == (
        Reader("trait", "traits_x", ("x",), rows=False),
    )
    assert not now.unclear


def test_what_cannot_be_followed_counts_as_reading_everything() -> None:
    one = lineage(
        traits_broken="selec nothing from",
        traits_unknown="select nowhere as x from w.events.order_completed",
    )
    found = one.readers_of(ORDER, ("total",))
    assert [reader.model for reader in found] == ["traits_broken", "traits_unknown"]
    assert one.unclear.keys() == {"traits_broken", "traits_unknown"}
    assert "nowhere" in one.unclear["traits_unknown"]
