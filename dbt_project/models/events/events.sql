{%- set omitted = 'enforcement.omitted_properties' -%}

{{ config(materialized='view') }}

with

stored_events as (

    select * from {{ ref('renamed_events') }}

),

event_profiles as (

    select * from {{ ref('event_profiles') }}

),

enforcement as (

    select * from {{ ref('event_enforcement') }}

),

-- What nobody planned breaks no rule.
flawed as (

    select distinct
        source_id,
        message_id
    from {{ ref('event_violations') }}
    where violation not in ('unplanned_event', 'unplanned_property')

)

select
    ----------  ids
    stored_events.source_id,
    stored_events.message_id,
    stored_events.user_id,
    stored_events.anonymous_id,
    stored_events.previous_id,
    stored_events.group_id,
    event_profiles.profile_id,

    ---------- what happened
    stored_events.type,
    stored_events.event,
    stored_events.event_version,
    stored_events.name,
    stored_events.category,
    {{ without_omitted('stored_events.properties', omitted) }}
        as properties,
    {{ without_omitted('stored_events.traits', omitted) }}
        as traits,
    {{ without_omitted('stored_events.context', omitted) }}
        as context,
    {{ without_omitted('stored_events.integrations', omitted) }}
        as integrations,
    {{ without_omitted('stored_events.extra', omitted) }}
        as extra,

    ---------- timestamps
    stored_events.timestamp,
    stored_events.original_timestamp,
    stored_events.sent_at,
    stored_events.received_at,

    ---------- how it came
    stored_events.ip,
    stored_events.user_agent,
    stored_events.library_name,
    stored_events.library_version,
    stored_events.flags,
    stored_events.segment,
    stored_events.position,
    stored_events.dt,
    flawed.message_id is null as is_compliant
from stored_events
left join event_profiles
    on
        stored_events.source_id = event_profiles.source_id
        and stored_events.message_id = event_profiles.message_id
left join enforcement
    on
        stored_events.source_id = enforcement.source_id
        and stored_events.message_id = enforcement.message_id
left join flawed
    on
        stored_events.source_id = flawed.source_id
        and stored_events.message_id = flawed.message_id
where coalesce(enforcement.decision, '') <> 'quarantined'
