"""Stand-ins for the project's macros, for sqlfluff only.

dbt finds the macros of macros/adapters by `adapter.dispatch`, which exists only inside
dbt. The linter needs SQL of the right shape in their place, not of any dialect. A macro
that is used in a model and missing here shows as "undefined jinja template variable".
"""

from __future__ import annotations


def _expression(*_: object) -> str:
    return "coalesce(null, 0)"


def _condition(*_: object, **__: object) -> str:
    return "(1 = 1)"


has_planned_format = has_planned_pattern = has_planned_type = _condition
is_audience_member = is_older = list_contains = _condition
is_in_control_group = is_blocked_account = is_not_looked_at = is_personal = (
    release_covers
) = _condition

asked_version = common_type = common_value = enforcement_action = _expression
masked = planned_name = texts_of_lists = violation_order = with_new_names = _expression
allowed_value = build_started_microseconds = _expression
clusters_version = delete_rows_of_other_clusters = _expression
delete_rows_of_other_rules = identifier_id = _expression
bigint_hash = json_member_type = json_text = json_type_of = _expression
limit_batch_id = limit_key = _expression
lowered = trimmed = place_in_million = place_of_turn = key_of_sync = _expression
limit_of_identifier = most_recent = next_batch_id = _expression
normalized_by_type = greatest_batch_of_table = latest_batch = _expression
stored_batch_taken_up_to = _expression
forget_counts_of_other_events = _expression
profile_id = property = trait = try_cast = _expression

collected_texts = joined_texts = list_length = text_list = json_without = _expression
parsed_timestamp = time_literal = seconds_between = shifted = valid_json_object = (
    _expression
)
payload_id = payload_object = payload_text = _expression
json_without_keys = paths_below = place_in_event = batch_of_build = _expression


def audience_names() -> str:
    return "('audience')"


def split_groups() -> str:
    columns = (
        "'a' as audience, 's' as salt, true as is_stratified, 'b' as split, "
        "0 as from_place, 9 as to_place"
    )
    return f"(select {columns})"


def priority_list_entries() -> list[dict[str, object]]:
    return [{"priority_list": "list", "audience": "audience", "place": 1}]


def frequency_cap_entries() -> list[dict[str, object]]:
    names = {"syncs": ["sync"], "events": ["order_completed"]}
    return [{"cap": "weekly", "limit": 2, "within_days": 7, **names}]


def shared_models_of_audiences() -> str:
    return "(select 'a' as audience, 'b' as model, 1 as reader_count)"


def audience_rows() -> str:
    return "(select 'audience' as audience)"


def kept_traits(relation: str) -> str:
    return f"(select *, 'trait' as trait, 'v' as value from {relation})"  # noqa: S608 - only linted


def kept_trait_names() -> str:
    return "('trait')"


def identifier_type_rows() -> str:
    return "(select 'email' as identifier_type)"


def declared_syncs() -> str:
    names = ("sync", "destination", "action", "mode", "schedule", "due_since")
    return f"(select {', '.join(f'null as {name}' for name in names)})"


def most_rejected() -> str:
    return "0.05"


def build_started_at() -> str:
    return "now()"


def string_literal(value: str) -> str:
    return "'text'"


class dbt:
    """What models use of dbt's own macros."""

    @staticmethod
    def type_string() -> str:
        return "varchar"


def common_rules() -> dict[str, object]:
    return {"userId": {}}


def days_ago(days: int) -> str:
    return f"(now() - interval '{days} days')"


def time_ago(number: int, unit: str) -> str:
    return f"(now() - interval '{number} {unit}')"


def computed_once() -> str:
    return "materialized"


def computed_anew() -> str:
    return "not materialized"


def event_roots(rules: list[object]) -> list[object]:
    return rules


def event_columns() -> str:
    return "source_id, message_id"


def identifier_feeds() -> list[dict[str, object]]:
    places = [
        {"identifier": {"type": "user_id", "priority": 1}, "value": "user_id"},
        {"identifier": {"type": "email", "priority": 2}, "value": "email"},
    ]
    numbered = [
        {**place, "column": f"value_{number}", "id": f"id_{number}"}
        for number, place in enumerate(places, start=1)
    ]
    names = ("source_id", "key", "message_id", "received_at")
    columns = {name: f"feed.{name}" for name in names}
    events = {"name": "events", "relation": "stg_events", **columns}
    return [{**events, "has_batches": True, "places": numbered}]


def feed_columns(feed: dict[str, object]) -> str:
    return "feed.*"


def identifier_rules_version() -> str:
    return "version"


def identity_rules_version() -> str:
    return "version"


def json_each(column: str) -> str:
    return "unnest([1])"


def json_places(column: str) -> str:
    return "unnest([1])"


def plan_depth(rules: list[object]) -> int:
    return 2


def plan_version() -> str:
    return "0"


def plan_rules(events: list[object], common: dict[str, object]) -> list[object]:
    return []


def planned_events() -> list[object]:
    return []


def read_raw(relation: str) -> str:
    return relation


def suggested_profiles(threshold: float | None = None) -> str:
    return "(select 1 as profile_id, 2 as suggested_profile_id, 0.5 as score)"


def timestamp_type() -> str:
    return "timestamp"


def tracking_plan(events: list[object]) -> str:
    return "select 1 as planned"


def work_table(name: str) -> str:
    return name
