{%- set common = common_rules() -%}
{%- set rules = plan_rules(planned_events(), common) -%}
{%- set depth = plan_depth(rules) -%}
{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        pre_hook="{{ begin_anew_where_needed() }}",
    )
}}

with

stored_events as {{ computed_anew() }} (

    select * from {{ ref('renamed_events') }}
    where {{ is_not_looked_at() }}

),

plan as (

    {{ tracking_plan(rules) }}

),

-- A large part of the warehouse, read three times; to keep it would cost more.
events as {{ computed_anew() }} (

    select
        stored_events.source_id,
        stored_events.message_id,
        stored_events.type,
        case
            when stored_events.type = 'track' then stored_events.event
            else stored_events.type
        end as event,
        stored_events.event_version as version,
        plan.rule_id as event_rule_id,
        case
            when stored_events.type in ('identify', 'group') then stored_events.traits
            else stored_events.properties
        end as payload,
        stored_events.received_at,
        stored_events.batch_id
    from stored_events
    left join plan
        on
            stored_events.type = plan.type
            and stored_events.event_version = plan.version
            and case
                when stored_events.type = 'track' then stored_events.event
                else stored_events.type
            end = plan.event

),

-- What every event must obey is looked up by its path from the event's root.
common_values as (

    select
        stored_events.source_id,
        stored_events.message_id,
        plan.parent_id,
        plan.rule_id,
        plan.key,
        plan.is_nullable,
        plan.is_required,
        {{ common_value(common, 'stored_events') }} as value,
        {{ common_type(common, 'stored_events') }} as type
    from stored_events
    cross join plan
    inner join plan as root on plan.parent_id = root.rule_id
    where plan.scope = 'event' and root.parent_id is null

),

objects_0 as {{ computed_anew() }} (

    select
        source_id,
        message_id,
        event_rule_id as rule_id,
        payload as value,
        'object' as type
    from events
    where event_rule_id is not null

),

-- What is in the values of one level is the next level, as deep as the plan goes. Null
-- counts as absent, and where elements are required none may be.
{% for level in range(1, depth + 1) %}
    found_{{ level }} as (

        select
            outer_values.source_id,
            outer_values.message_id,
            outer_values.rule_id as parent_id,
            plan.rule_id,
            found.key,
            found.value,
            found.type
        from objects_{{ level - 1 }} as outer_values
        inner join plan as outer_rules
            on
                outer_values.rule_id = outer_rules.rule_id
                and (
                    (outer_values.type = 'object' and outer_rules.has_members)
                    or (outer_values.type = 'array' and outer_rules.has_elements)
                )
        cross join lateral {{ json_each('outer_values.value') }} as found
        left join plan
            on
                outer_values.rule_id = plan.parent_id
                and plan.key
                = case when outer_values.type = 'array' then '[]' else found.key end
        where found.type <> 'null' or plan.is_nullable or plan.forbids_null
        {% if level == 1 %}

            union all

            select
                source_id,
                message_id,
                parent_id,
                rule_id,
                key,
                value,
                type
            from common_values
            where type <> 'null' or (type = 'null' and is_nullable)
        {% endif %}

    ),

    -- The first rule that a value breaks; the later ones mean nothing without it.
    checked_{{ level }} as (

        select
            found.source_id,
            found.message_id,
            found.parent_id,
            found.rule_id,
            found.key,
            found.value,
            found.type,
            coalesce(
                (found.type = 'object' and plan.has_members)
                or (found.type = 'array' and plan.has_elements),
                false
            ) as is_planned_inside,
            case
                when plan.rule_id is null then 'unplanned_property'
                when found.type = 'null' and plan.forbids_null then 'required_missing'
                when found.type = 'null' then null
                when not {{ has_planned_type(rules, 'value', 'found.type') }}
                    then 'type_mismatch'
                when
                    plan.enum is not null
                    and not {{ list_contains('plan.enum', 'found.value') }}
                    then 'enum'
                when not {{ has_planned_pattern(rules, 'value') }} then 'pattern'
                when not {{ has_planned_format(rules, 'value') }} then 'format'
                when
                    plan.minimum is not null
                    and {{ try_cast('found.value', 'double') }} < plan.minimum
                    then 'range'
                when
                    plan.maximum is not null
                    and {{ try_cast('found.value', 'double') }} > plan.maximum
                    then 'range'
            end as violation
        from found_{{ level }} as found
        left join plan on found.rule_id = plan.rule_id

    ),

    -- Nearly all values are as planned, and nobody asks for those again.
    objects_{{ level }} as (

        select * from checked_{{ level }}
        where violation is not null or is_planned_inside

    ),

{% endfor %}
broken_rules as (

    {% for level in range(1, depth + 1) %}
        select
            source_id,
            message_id,
            parent_id,
            rule_id,
            key,
            value,
            violation
        from objects_{{ level }}
        where violation is not null
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

),

-- What an object must hold, where there is the object.
required_values as (

    {% for level in range(depth) %}
        select
            found_objects.source_id,
            found_objects.message_id,
            required.parent_id,
            required.rule_id,
            required.key,
            required.is_nullable or required.forbids_null as takes_null,
            {{ json_member_type('found_objects.value', 'required.key') }} as type
        from objects_{{ level }} as found_objects
        inner join plan as required
            on found_objects.rule_id = required.parent_id and required.is_required
        where found_objects.type = 'object'

        union all

    {% endfor %}
    select
        source_id,
        message_id,
        parent_id,
        rule_id,
        key,
        is_nullable as takes_null,
        type
    from common_values
    where is_required

),

departures as (

    select
        source_id,
        message_id,
        parent_id,
        rule_id,
        key,
        violation,
        value
    from broken_rules

    union all

    select
        source_id,
        message_id,
        parent_id,
        rule_id,
        key,
        'required_missing' as violation,
        cast(null as {{ dbt.type_string() }}) as value
    from required_values
    where type is null or (type = 'null' and not takes_null)

),

-- The elements of an array share their path: the first kind of them counts.
ranked_departures as (

    select
        departures.source_id,
        departures.message_id,
        outer_rules.scope,
        coalesce(
            rules.property,
            outer_rules.property || '.' || departures.key,
            departures.key
        ) as property,
        departures.violation,
        case departures.violation
            when 'required_missing' then rules.expected_type
            when 'type_mismatch' then rules.expected_type
            when 'enum' then rules.expected_enum
            when 'pattern' then rules.pattern
            when 'format' then rules.format
            when 'range' then rules.expected_range
        end as expected,
        {{ masked('departures.value', 'coalesce(rules.is_pii, outer_rules.is_pii)') }}
            as found_value,
        row_number() over (
            partition by
                departures.source_id,
                departures.message_id,
                outer_rules.scope,
                coalesce(
                    rules.property,
                    outer_rules.property || '.' || departures.key,
                    departures.key
                )
            order by {{ violation_order('departures.violation') }}, departures.value
        ) as place
    from departures
    inner join plan as outer_rules on departures.parent_id = outer_rules.rule_id
    left join plan as rules on departures.rule_id = rules.rule_id

),

violations as (

    select
        events.source_id,
        events.message_id,
        events.type,
        events.event,
        events.version,
        events.event_rule_id,
        ranked_departures.scope,
        ranked_departures.property,
        ranked_departures.violation,
        ranked_departures.expected,
        ranked_departures.found_value,
        events.received_at,
        events.batch_id
    from ranked_departures
    inner join events
        on
            ranked_departures.source_id = events.source_id
            and ranked_departures.message_id = events.message_id
    where ranked_departures.place = 1

    union all

    -- Calls other than track need no plan.
    select
        source_id,
        message_id,
        type,
        event,
        version,
        event_rule_id,
        cast(null as {{ dbt.type_string() }}) as scope,
        cast(null as {{ dbt.type_string() }}) as property,
        'unplanned_event' as violation,
        cast(null as {{ dbt.type_string() }}) as expected,
        cast(null as {{ dbt.type_string() }}) as found_value,
        received_at,
        batch_id
    from events
    where type = 'track' and event_rule_id is null

),

enforced as (

    select
        *,
        {{ enforcement_action(rules) }} as action
    from violations

)

select
    source_id,
    message_id,
    type,
    event,
    version,
    scope,
    property,
    violation,
    expected,
    found_value,
    action,
    action = 'quarantine' as is_blocking,
    received_at,
    batch_id,
    '{{ plan_version() }}' as plan_version
from enforced
