{%- set planned_events = planned_events() -%}

with

stored_events as (

    select * from {{ ref('stg_events') }}

),

plan as (

    {{ tracking_plan(planned_events) }}

),

events as (

    select
        source_id,
        message_id,
        type,
        received_at,
        case when type = 'track' then event else type end as event,
        case
            when type in ('identify', 'group') then traits
            else properties
        end as payload
    from stored_events

),

planned_events as (

    select events.*
    from events
    inner join plan
        on
            events.type = plan.type
            and events.event = plan.event
            and plan.property is null

),

-- Calls other than track need no plan.
unplanned_events as (

    select events.*
    from events
    left join plan
        on
            events.type = plan.type
            and events.event = plan.event
    where events.type = 'track' and plan.event is null

),

-- A property that is null counts as absent.
found_properties as (

    select
        planned_events.source_id,
        planned_events.message_id,
        planned_events.type,
        planned_events.event,
        planned_events.received_at,
        found.key as property,
        found.value as found_value,
        found.type as found_type
    from planned_events
    cross join lateral {{ json_each('planned_events.payload') }} as found
    where found.type <> 'null'

),

-- The first rule that a property breaks; the later ones mean nothing without it.
checked_properties as (

    select
        found_properties.*,
        plan.expected_type,
        plan.enum,
        plan.pattern,
        plan.minimum,
        plan.maximum,
        case
            when plan.property is null then 'unplanned_property'
            when not {{ has_planned_type(planned_events, 'found_value', 'found_type') }}
                then 'type_mismatch'
            when not {{ list_contains('plan.enum', 'found_value') }} then 'enum'
            when not {{ has_planned_pattern(planned_events, 'found_value') }}
                then 'pattern'
            when {{ try_cast('found_value', 'double') }} < plan.minimum then 'range'
            when {{ try_cast('found_value', 'double') }} > plan.maximum then 'range'
        end as violation
    from found_properties
    left join plan
        on
            found_properties.type = plan.type
            and found_properties.event = plan.event
            and found_properties.property = plan.property

),

missing_properties as (

    select
        planned_events.*,
        plan.property,
        plan.expected_type
    from planned_events
    inner join plan
        on
            planned_events.type = plan.type
            and planned_events.event = plan.event
            and plan.is_required
    left join found_properties
        on
            planned_events.source_id = found_properties.source_id
            and planned_events.message_id = found_properties.message_id
            and plan.property = found_properties.property
    where found_properties.property is null

),

violations as (

    select
        source_id,
        message_id,
        type,
        event,
        property,
        violation,
        case violation
            when 'type_mismatch' then expected_type
            when 'enum' then cast(enum as varchar)
            when 'pattern' then pattern
            when 'range' then concat_ws(
                ', ',
                concat('minimum ', cast(minimum as varchar)),
                concat('maximum ', cast(maximum as varchar))
            )
        end as expected,
        found_value,
        received_at
    from checked_properties
    where violation is not null

    union all

    select
        source_id,
        message_id,
        type,
        event,
        property,
        'required_missing' as violation,
        expected_type as expected,
        cast(null as varchar) as found_value,
        received_at
    from missing_properties

    union all

    select
        source_id,
        message_id,
        type,
        event,
        cast(null as varchar) as property,
        'unplanned_event' as violation,
        cast(null as varchar) as expected,
        cast(null as varchar) as found_value,
        received_at
    from unplanned_events

)

select
    source_id,
    message_id,
    type,
    event,
    property,
    violation,
    expected,
    found_value,
    violation not in ('unplanned_event', 'unplanned_property') as is_blocking,
    received_at
from violations
