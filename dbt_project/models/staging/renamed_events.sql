{%- set rules = plan_rules(planned_events(), {}) -%}

{{ config(materialized='view') }}

with

stored_events as (

    select * from {{ ref('stg_events') }}

),

plan as (

    {{ tracking_plan(event_roots(rules)) }}

),

named_events as (

    select
        *,
        {{ planned_name(rules) }} as planned_name,
        {{ asked_version(rules) }} as asked_version
    from stored_events

),

-- An event that names no version, or one that nobody plans, is of the oldest.
versioned_events as (

    select
        named_events.*,
        coalesce(asked.rule_id, oldest.rule_id) as event_rule_id,
        coalesce(asked.version, oldest.version) as event_version
    from named_events
    left join plan as asked
        on
            named_events.type = asked.type
            and named_events.planned_name = asked.event
            and named_events.asked_version = asked.version
    left join plan as oldest
        on
            named_events.type = oldest.type
            and named_events.planned_name = oldest.event
            and oldest.is_oldest

)

select
    ----------  ids
    source_id,
    message_id,
    user_id,
    anonymous_id,
    previous_id,
    group_id,

    ---------- what happened
    type,
    case when type = 'track' then planned_name else event end as event,
    event_version,
    name,
    category,
    {{ with_new_names(rules, 'properties') }} as properties,
    {{ with_new_names(rules, 'traits') }} as traits,
    context,
    integrations,
    extra,

    ---------- timestamps
    timestamp,
    original_timestamp,
    sent_at,
    received_at,

    ---------- how it came
    ip,
    user_agent,
    library_name,
    library_version,
    flags,
    segment,
    position,
    dt,
    batch_id
from versioned_events
