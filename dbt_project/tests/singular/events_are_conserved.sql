-- Every message of the segments that the latest batch was stored from, and every message
-- that was released, is stored once: by the messages in the files themselves. Of older
-- segments this was told when they were the latest (of all, after `--full-refresh`),
-- and `conservation` tells in each build that no count has changed since.
with

latest_segments as (

    select distinct
        segment,
        dt
    from {{ ref('stg_events') }}
    where batch_id = (select max(batch_id) from {{ ref('stg_events') }})

),

messages as (

    select
        landed.source_id,
        landed.message_id
    from {{ read_raw(source('raw', 'events')) }} as landed
    inner join latest_segments
        on
            landed.segment = latest_segments.segment
            and landed.dt = latest_segments.dt

    union

    select
        source_id,
        message_id
    from {{ ref('quarantined_payloads') }}
    where release_id is not null

),

stored as (

    select
        messages.source_id,
        messages.message_id,
        count(stored_events.message_id) as stored_count
    from messages
    left join {{ ref('stg_events') }} as stored_events
        on
            messages.source_id = stored_events.source_id
            and messages.message_id = stored_events.message_id
    group by messages.source_id, messages.message_id

)

select *
from stored
where stored_count <> 1
