-- Every message that landed or was released is stored once: the counts come from the files
-- themselves and not from the model `conservation`.
with

messages as (

    select
        source_id,
        message_id
    from {{ read_raw(source('raw', 'events')) }}

    union

    select
        source_id,
        message_id
    from {{ ref('quarantined_payloads') }}
    where release_id is not null

),

landed as (

    select
        source_id,
        count(*) as message_count
    from messages
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
