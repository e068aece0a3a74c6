-- Every stored event is once in `events`, or is held back. Each build counts what it
-- stored, and a count that is wrong stays wrong until all are counted anew, so no batch
-- escapes; one that a build of some models has not counted yet is compared by the next.
-- Later builds cannot make two of an event in `events`, as long as stg_events,
-- event_profiles and whatever else it joins have it once: their own tests tell that, in
-- each build.
with

counted as (

    select
        batch_id,
        source_id,
        received_on,
        sum(event_count) as event_count,
        sum(held_count + flowing_message_count) as accounted_count,
        sum(flowing_count) as flowing_count,
        sum(flowing_message_count) as flowing_message_count
    from {{ ref('event_counts') }}
    group by batch_id, source_id, received_on

),

stored as (

    select
        batch_id,
        source_id,
        dt,
        count(*) as event_count
    from {{ ref('stg_events') }}
    group by batch_id, source_id, dt

),

common_batches as (

    select counted.batch_id
    from counted
    inner join stored on counted.batch_id = stored.batch_id

)

select
    coalesce(counted.batch_id, stored.batch_id) as batch_id,
    coalesce(counted.source_id, stored.source_id) as source_id,
    coalesce(counted.received_on, stored.dt) as received_on,
    stored.event_count as stored_count,
    counted.event_count,
    counted.accounted_count,
    counted.flowing_count,
    counted.flowing_message_count
from counted
full outer join stored
    on
        counted.batch_id = stored.batch_id
        and counted.source_id = stored.source_id
        and counted.received_on = stored.dt
where
    (
        coalesce(stored.event_count, 0) <> coalesce(counted.event_count, 0)
        and coalesce(counted.batch_id, stored.batch_id) in (
            select batch_id from common_batches
        )
    )
    or counted.event_count <> counted.accounted_count
    or counted.flowing_count <> counted.flowing_message_count
