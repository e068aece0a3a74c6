{{ config(materialized='view') }}

with

stored_events as (

    select * from {{ ref('renamed_events') }}

),

enforcement as (

    select * from {{ ref('event_enforcement') }}

),

omitted_events as (

    select * from {{ ref('omitted_events') }}

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

    ---------- what happened
    stored_events.type,
    stored_events.event,
    stored_events.event_version,
    stored_events.name,
    stored_events.category,
    case
        when omitted_events.message_id is null then stored_events.properties
        else omitted_events.properties
    end as properties,
    case
        when omitted_events.message_id is null then stored_events.traits
        else omitted_events.traits
    end as traits,
    case
        when omitted_events.message_id is null then stored_events.context
        else omitted_events.context
    end as context,
    case
        when omitted_events.message_id is null then stored_events.integrations
        else omitted_events.integrations
    end as integrations,
    case
        when omitted_events.message_id is null then stored_events.extra
        else omitted_events.extra
    end as extra,

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
    stored_events.batch_id,
    flawed.message_id is null as is_compliant
from stored_events
left join enforcement
    on
        stored_events.source_id = enforcement.source_id
        and stored_events.message_id = enforcement.message_id
left join omitted_events
    on
        stored_events.source_id = omitted_events.source_id
        and stored_events.message_id = omitted_events.message_id
left join flawed
    on
        stored_events.source_id = flawed.source_id
        and stored_events.message_id = flawed.message_id
where coalesce(enforcement.decision, '') <> 'quarantined'
