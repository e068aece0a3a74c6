with

sightings as (

    select * from {{ ref('int_event_identifiers') }}

),

ranked as (

    select
        identifier_id,
        identifier_type,
        identifier_value,
        priority,
        received_at,
        message_id,
        row_number() over (
            partition by identifier_id, identifier_type, identifier_value
            order by received_at, message_id
        ) as sighting,
        max(received_at) over (
            partition by identifier_id, identifier_type, identifier_value
        ) as last_seen_at
    from sightings

)

select
    identifier_id,
    row_number() over (
        order by received_at, message_id, priority, identifier_value
    ) as node_id,
    identifier_type,
    identifier_value,
    priority,
    received_at as first_seen_at,
    last_seen_at,
    message_id as first_message_id
from ranked
where sighting = 1
