{%- set places = identifier_places() -%}
{%- set rules_version = identifier_rules_version() -%}
{#- Rows taken by other rules than today's go first: their events are new again. -#}
{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        pre_hook=(
            "{% if is_incremental() %}delete from {{ this }} where rules_version <> "
            ~ "'{{ identifier_rules_version() }}'{% endif %}"
        ),
    )
}}

with

{% if is_incremental() %}
    taken as (

        select distinct
            source_id,
            message_id
        from {{ this }}

    ),

{% endif %}
-- New is what is not here yet, not what is later than the last: events may land days
-- late.
events as (

    select events.*
    from {{ ref('stg_events') }} as events
    {% if is_incremental() %}
        left join taken
            on
                events.source_id = taken.source_id
                and events.message_id = taken.message_id
        where taken.message_id is null
    {% endif %}

),

-- One column per place where an identifier may stand, the strongest first.
found as (

    select
        source_id,
        message_id,
        received_at,
    {%- for place in places %}
        {{ place.value }} as value_{{ loop.index }}
        {{- ',' if not loop.last }}
    {%- endfor %}
    from events

),

allowed as (

    select
        source_id,
        message_id,
        received_at,
    {%- for place in places %}
        {%- set value = 'value_' ~ loop.index %}
        case when not ({{ is_blocked_identifier(value) }}) then {{ value }} end
            as {{ value }}
        {{- ',' if not loop.last }}
    {%- endfor %}
    from found

),

-- Values count from here on as numbers only; null stays null.
numbered as (

    select
        *,
    {%- for place in places %}
        {{ bigint_hash("'" ~ place.type ~ ":' || value_" ~ loop.index) }}
            as id_{{ loop.index }}
        {{- ',' if not loop.last }}
    {%- endfor %}
    from allowed

),

ranked as (

    select
        *,
        coalesce(
            {%- for place in places %}
                id_{{ loop.index }}{{ ',' if not loop.last }}
            {%- endfor %}
            {{- ', null' if places | length == 1 }}
        ) as strongest_identifier_id
    from numbered

),

identified as (

    {% for place in places %}
        select
            source_id,
            message_id,
            received_at,
            '{{ place.type }}' as identifier_type,
            value_{{ loop.index }} as identifier_value,
            {{ place.priority }} as priority,
            id_{{ loop.index }} as identifier_id,
            strongest_identifier_id
        from ranked
        where id_{{ loop.index }} is not null
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

)

select
    source_id,
    message_id,
    received_at,
    identifier_type,
    identifier_value,
    priority,
    identifier_id,
    strongest_identifier_id,
    '{{ rules_version }}' as rules_version
from identified
