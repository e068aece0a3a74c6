with

sightings as (

    select * from {{ ref('int_event_identifiers') }}

),

seen as (

    select
        identifier_id,
        min(received_at) as first_seen_at,
        max(received_at) as last_seen_at
    from sightings
    group by identifier_id

),

-- A batch arrives in one moment, so several events may be the first.
first_seen as (

    select
        sightings.identifier_id,
        seen.first_seen_at,
        seen.last_seen_at,
        min(sightings.identifier_type) as identifier_type,
        min(sightings.identifier_value) as identifier_value,
        min(sightings.priority) as priority,
        min(sightings.message_id) as first_message_id
    from sightings
    inner join seen
        on
            sightings.identifier_id = seen.identifier_id
            and sightings.received_at = seen.first_seen_at
    group by
        sightings.identifier_id,
        seen.first_seen_at,
        seen.last_seen_at

)

select
    identifier_id,
    row_number() over (
        order by first_seen_at, first_message_id, priority, identifier_value
    ) as node_id,
    identifier_type,
    identifier_value,
    priority,
    first_seen_at,
    last_seen_at,
    first_message_id
from first_seen
