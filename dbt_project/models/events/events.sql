{{ config(materialized='view') }}

with

stored_events as (

    select * from {{ ref('stg_events') }}

),

event_profiles as (

    select * from {{ ref('event_profiles') }}

),

blocked as (

    select distinct
        source_id,
        message_id
    from {{ ref('event_violations') }}
    where is_blocking

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
    stored_events.name,
    stored_events.category,
    stored_events.properties,
    stored_events.traits,
    stored_events.context,
    stored_events.integrations,
    stored_events.extra,

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
    blocked.message_id is null as is_compliant
from stored_events
left join event_profiles
    on
        stored_events.source_id = event_profiles.source_id
        and stored_events.message_id = event_profiles.message_id
left join blocked
    on
        stored_events.source_id = blocked.source_id
        and stored_events.message_id = blocked.message_id
