"""A plan with everything that typed tracking functions have to cope with."""

from __future__ import annotations

from collector.plan import Plan, PlannedEvent, Rule

LINE = Rule(
    types=("object",),
    properties={
        "sku": Rule(types=("string",), required=True),
        "sizes": Rule(types=("array",), items=Rule(types=("integer", "null"))),
    },
)
PLAN = Plan(
    events=(
        PlannedEvent(
            name="Paid",
            model="paid",
            description='Somebody "paid" \\ */ at last.\nOne row per event.',
            properties={
                "order_id": Rule(types=("string",), required=True, description="*/"),
                "total": Rule(types=("number",), required=True),
                "method": Rule(types=("string",), enum=("card", "it's cash")),
                "at": Rule(types=("string",), format="date-time"),
                "First Name": Rule(types=("string", "null")),
                "class": Rule(types=("boolean",)),
                "lines": Rule(types=("array",), items=LINE),
                "address": Rule(types=("object",), properties={"it's": Rule()}),
                "free": Rule(types=("object", "array")),
            },
        ),
        PlannedEvent(name="Left", model="left"),
        PlannedEvent(
            name="Left",
            version=2,
            model="left_v2",
            properties={"why": Rule(types=("string",), required=True)},
        ),
        PlannedEvent(name="Import", model="import"),
        PlannedEvent(name="alias", type="alias", model="aliased"),
        PlannedEvent(
            name="identify",
            type="identify",
            model="identified",
            properties={"email": Rule(types=("string",), format="email")},
        ),
        PlannedEvent(
            name="group",
            type="group",
            model="group_joined",
            properties={"seats": Rule(types=("integer",), required=True)},
        ),
        PlannedEvent(
            name="page",
            type="page",
            model="page_viewed",
            properties={"path": Rule(types=("string",))},
        ),
        PlannedEvent(name="screen", type="screen", model="screen_viewed"),
    )
)
