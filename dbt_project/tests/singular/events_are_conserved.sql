-- Every message that landed is stored once: the counts come from the files themselves and
-- not from the model `conservation`.
with

landed as (

    select
        source_id,
        count(distinct message_id) as message_count
    from {{ read_raw(source('raw', 'events')) }}
    group by source_id

),

stored as (

    select
        source_id,
        count(*) as message_count
    from {{ ref('stg_events') }}
    group by source_id

)

select
    coalesce(landed.source_id, stored.source_id) as source_id,
    landed.message_count as landed_count,
    stored.message_count as stored_count
from landed
full outer join stored on landed.source_id = stored.source_id
where coalesce(landed.message_count, 0) <> coalesce(stored.message_count, 0)
