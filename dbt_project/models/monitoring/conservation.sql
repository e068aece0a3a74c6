with

landed as (

    select
        source_id,
        dt
    from {{ read_raw(source('raw', 'events')) }}

),

payloads as (

    select * from {{ ref('quarantined_payloads') }}

),

arrival_counts as (

    select * from {{ ref('arrival_counts') }}

),

-- A model that is read twice has two names here: an engine copies what one name gives.
stored_events as (

    select * from {{ ref('stg_events') }}

),

known_events as (

    select * from {{ ref('stg_events') }}

),

released_events as (

    select * from {{ ref('stg_events') }}

),

enforcement as (

    select * from {{ ref('event_enforcement') }}
    where decision = 'quarantined'

),

-- Each count by itself, so that they can contradict each other.
counts as (

    select
        source_id,
        dt,
        count(*) as arrived_count,
        0 as stored_count,
        0 as duplicate_count,
        0 as quarantined_count,
        0 as held_count
    from landed
    group by source_id, dt

    union all

    select
        source_id,
        dt,
        0 as arrived_count,
        count(*) as stored_count,
        0 as duplicate_count,
        0 as quarantined_count,
        0 as held_count
    from stored_events
    group by source_id, dt

    union all

    select
        source_id,
        dt,
        0 as arrived_count,
        0 as stored_count,
        duplicate_count,
        0 as quarantined_count,
        0 as held_count
    from arrival_counts

    union all

    -- What a release lets flow on is stored, or a copy of what is.
    select
        payloads.source_id,
        payloads.dt,
        count(*) as arrived_count,
        0 as stored_count,
        count(case
            when
                released_events.segment <> concat('quarantine/', payloads.segment)
                or released_events.position <> payloads.position
                then 1
        end) as duplicate_count,
        count(case when payloads.release_id is null then 1 end) as quarantined_count,
        0 as held_count
    from payloads
    left join released_events
        on
            payloads.release_id is not null
            and payloads.source_id = released_events.source_id
            and payloads.message_id = released_events.message_id
    group by payloads.source_id, payloads.dt

    union all

    select
        known_events.source_id,
        known_events.dt,
        0 as arrived_count,
        0 as stored_count,
        0 as duplicate_count,
        0 as quarantined_count,
        count(*) as held_count
    from enforcement
    inner join known_events
        on
            enforcement.source_id = known_events.source_id
            and enforcement.message_id = known_events.message_id
    group by known_events.source_id, known_events.dt

)

select
    source_id,
    dt as received_on,
    cast(sum(arrived_count) as bigint) as arrived_count,
    cast(sum(stored_count) as bigint) as stored_count,
    cast(sum(duplicate_count) as bigint) as duplicate_count,
    cast(sum(quarantined_count) as bigint) as quarantined_count,
    cast(
        sum(arrived_count)
        - sum(stored_count)
        - sum(duplicate_count)
        - sum(quarantined_count)
        as bigint
    ) as missing_count,
    cast(sum(stored_count) - sum(held_count) as bigint) as flowing_count,
    cast(sum(held_count) as bigint) as held_count
from counts
group by source_id, dt
