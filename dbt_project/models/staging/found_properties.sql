{%- set example_characters = 100 -%}
{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        pre_hook="{{ begin_anew_where_needed() }}",
    )
}}

with

events as (

    select
        source_id,
        type,
        received_at,
        message_id,
        case when type = 'track' then event else type end as event,
        case when type in ('identify', 'group') then traits else properties end
            as payload,
        batch_id
    from {{ ref('renamed_events') }}
    where {{ is_not_looked_at() }}

),

places as (

    select
        events.source_id,
        events.type,
        events.event,
        events.message_id,
        events.received_at,
        events.batch_id,
        place.path,
        place.type as found_type,
        place.value
    from events
    cross join lateral {{ json_places('events.payload') }} as place

),

-- An event has a path once, unless it leads into an array. The example is any one, but
-- the same in each build.
properties as (

    select
        batch_id,
        source_id,
        type,
        event,
        path as property,
        {{ collected_texts('found_type') }} as types,
        count(case when path not like '%[]%' then 1 end)
        + count(distinct case when path like '%[]%' then message_id end)
            as event_count,
        count(*) as value_count,
        min(received_at) as first_seen_at,
        max(received_at) as last_seen_at,
        max(case
            when found_type not in ('null', 'object', 'array')
                then substr(value, 1, {{ example_characters }})
        end) as example
    from places
    group by batch_id, source_id, type, event, path

),

whole_events as (

    select
        batch_id,
        source_id,
        type,
        event,
        cast(null as {{ dbt.type_string() }}) as property,
        {{ text_list(['object']) }} as types,
        count(*) as event_count,
        count(*) as value_count,
        min(received_at) as first_seen_at,
        max(received_at) as last_seen_at,
        cast(null as {{ dbt.type_string() }}) as example
    from events
    group by batch_id, source_id, type, event

),

found as (

    select * from whole_events

    union all

    select * from properties

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
    example,
    batch_id,
    '{{ plan_version() }}' as plan_version
from found
