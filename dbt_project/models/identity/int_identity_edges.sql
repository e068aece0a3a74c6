with

identifiers as (

    select * from {{ ref('int_identifiers') }}

),

links as (

    select
        identifier_id,
        strongest_identifier_id,
        received_at,
        message_id,
        row_number() over (
            partition by
                least(identifier_id, strongest_identifier_id),
                greatest(identifier_id, strongest_identifier_id)
            order by received_at, message_id
        ) as sighting
    from {{ ref('int_event_identifiers') }}
    where identifier_id <> strongest_identifier_id

),

-- Only the first time counts: an edge that was dropped once would be dropped again.
first_links as (

    select * from links
    where sighting = 1

)

select
    row_number() over (
        order by
            first_links.received_at,
            first_links.message_id,
            linked.priority,
            linked.node_id,
            strongest.node_id
    ) as edge_id,
    strongest.node_id as left_id,
    linked.node_id as right_id,
    strongest.identifier_type as left_type,
    linked.identifier_type as right_type,
    first_links.received_at,
    first_links.message_id,
    (
        strongest.first_seen_at = first_links.received_at
        and strongest.first_message_id = first_links.message_id
    ) as is_left_new,
    (
        linked.first_seen_at = first_links.received_at
        and linked.first_message_id = first_links.message_id
    ) as is_right_new
from first_links
inner join identifiers as strongest
    on first_links.strongest_identifier_id = strongest.identifier_id
inner join identifiers as linked
    on first_links.identifier_id = linked.identifier_id
