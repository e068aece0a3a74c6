{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        pre_hook="{{ begin_anew_where_needed() }}",
    )
}}

with

renamed_events as (

    select
        batch_id,
        source_id,
        message_id,
        type,
        case when type = 'track' then event else type end as event,
        dt,
        received_at
    from {{ ref('renamed_events') }}
    where {{ is_not_looked_at() }}

),

flowing_events as (

    select
        batch_id,
        source_id,
        message_id,
        type,
        case when type = 'track' then event else type end as event,
        dt
    from {{ ref('events') }}
    where {{ is_not_looked_at() }}

),

enforcement as (

    select * from {{ ref('event_enforcement') }}
    where decision = 'quarantined'

),

stored as (

    select
        renamed_events.batch_id,
        renamed_events.source_id,
        renamed_events.type,
        renamed_events.event,
        renamed_events.dt,
        count(*) as event_count,
        count(enforcement.message_id) as held_count,
        min(renamed_events.received_at) as first_seen_at,
        max(renamed_events.received_at) as last_seen_at
    from renamed_events
    left join enforcement
        on
            renamed_events.source_id = enforcement.source_id
            and renamed_events.message_id = enforcement.message_id
    group by
        renamed_events.batch_id,
        renamed_events.source_id,
        renamed_events.type,
        renamed_events.event,
        renamed_events.dt

),

flowing as (

    select
        batch_id,
        source_id,
        type,
        event,
        dt,
        count(*) as flowing_count,
        count(distinct message_id) as flowing_message_count
    from flowing_events
    group by batch_id, source_id, type, event, dt

)

select
    stored.source_id,
    stored.type,
    stored.event,
    stored.dt as received_on,
    stored.event_count,
    stored.held_count,
    coalesce(flowing.flowing_count, 0) as flowing_count,
    coalesce(flowing.flowing_message_count, 0) as flowing_message_count,
    stored.first_seen_at,
    stored.last_seen_at,
    stored.batch_id,
    '{{ plan_version() }}' as plan_version
from stored
left join flowing
    on
        stored.batch_id = flowing.batch_id
        and stored.source_id = flowing.source_id
        and stored.type = flowing.type
        and stored.event = flowing.event
        and stored.dt = flowing.dt
