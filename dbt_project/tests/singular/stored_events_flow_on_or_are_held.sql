-- What flows on is what `events` holds, and everything else is held back: the counts come
-- from there and not from the model `conservation`.
with

flowing as (

    select
        source_id,
        dt,
        count(*) as event_count
    from {{ ref('events') }}
    group by source_id, dt

),

conserved as (

    select * from {{ ref('conservation') }}

)

select
    conserved.source_id,
    conserved.received_on,
    conserved.stored_count,
    conserved.held_count,
    flowing.event_count
from conserved
left join flowing
    on
        conserved.source_id = flowing.source_id
        and conserved.received_on = flowing.dt
where conserved.stored_count <> conserved.held_count + coalesce(flowing.event_count, 0)
