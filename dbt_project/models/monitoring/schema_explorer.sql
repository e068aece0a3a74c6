with

found_properties as (

    select * from {{ ref('found_properties') }}

),

explored as (

    select
        source_id,
        type,
        event,
        property,
        {{ texts_of_lists('types') }} as types,
        cast(sum(event_count) as bigint) as event_count,
        cast(sum(value_count) as bigint) as value_count,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        max(example) as example
    from found_properties
    group by source_id, type, event, property

)

select
    source_id,
    type,
    event,
    property,
    types,
    event_count,
    value_count,
    first_seen_at,
    last_seen_at,
    {{ masked('example', is_personal('property', 'example')) }} as example
from explored
