with

landed as (

    select
        source_id,
        message_id,
        segment,
        position,
        dt
    from {{ read_raw(source('raw', 'events')) }}

),

payloads as (

    select * from {{ ref('quarantined_payloads') }}

),

stored_events as (

    select * from {{ ref('stg_events') }}

),

enforcement as (

    select * from {{ ref('event_enforcement') }}

),

-- What a release lets flow on arrives as any other.
arrivals as (

    select * from landed

    union all

    select
        source_id,
        message_id,
        concat('quarantine/', segment) as segment,
        position,
        dt
    from payloads
    where release_id is not null

),

quarantined as (

    select
        source_id,
        dt,
        count(*) as quarantined_count
    from payloads
    where release_id is null
    group by source_id, dt

),

-- Each arrival is the stored copy of its message, or another copy of it.
fates as (

    select
        arrivals.source_id,
        arrivals.dt,
        count(*) as landed_count,
        count(case
            when
                stored_events.segment = arrivals.segment
                and stored_events.position = arrivals.position
                then 1
        end) as stored_count,
        count(case
            when
                stored_events.segment = arrivals.segment
                and stored_events.position = arrivals.position
                and enforcement.decision = 'quarantined'
                then 1
        end) as held_count,
        count(case when stored_events.message_id is null then 1 end) as missing_count
    from arrivals
    left join stored_events
        on
            arrivals.source_id = stored_events.source_id
            and arrivals.message_id = stored_events.message_id
    left join enforcement
        on
            arrivals.source_id = enforcement.source_id
            and arrivals.message_id = enforcement.message_id
    group by arrivals.source_id, arrivals.dt

)

select
    coalesce(fates.source_id, quarantined.source_id) as source_id,
    coalesce(fates.dt, quarantined.dt) as received_on,
    coalesce(fates.landed_count, 0) + coalesce(quarantined.quarantined_count, 0)
        as arrived_count,
    coalesce(fates.stored_count, 0) as stored_count,
    coalesce(fates.landed_count - fates.stored_count - fates.missing_count, 0)
        as duplicate_count,
    coalesce(quarantined.quarantined_count, 0) as quarantined_count,
    coalesce(fates.missing_count, 0) as missing_count,
    coalesce(fates.stored_count - fates.held_count, 0) as flowing_count,
    coalesce(fates.held_count, 0) as held_count
from fates
full outer join quarantined
    on
        fates.source_id = quarantined.source_id
        and fates.dt = quarantined.dt
