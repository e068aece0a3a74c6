{%- set feeds = identifier_feeds() -%}
{%- set rules_version = identifier_rules_version() -%}
{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        post_hook=delete_rows_of_other_rules(),
    )
}}
{%- set taken_up_to = stored_batch_taken_up_to() -%}

with

{% if is_incremental() %}
    -- What of the rows that are looked at is here. Each event has one row that names
    -- itself the strongest. What was taken by other rules is new again.
    taken as (

        select
            source_id,
            message_id
        from {{ this }}
        where
            identifier_id = strongest_identifier_id
            and rules_version = '{{ rules_version }}'
            and (stored_batch_id > {{ taken_up_to }} or stored_batch_id is null)

    ),

{% endif %}
{% for feed in feeds %}
    -- New is what is not here yet, not what is later than the last: events may land
    -- days late. Of stored events, nothing up to a batch that is here is looked at.
    {{ feed.name }}_read as (

        select {{ feed_columns(feed) }}
        from {{ feed.relation }} as feed
        {% if is_incremental() %}
            where
                not exists (
                    select 1 from taken
                    where
                        {{ feed.source_id }} = taken.source_id
                        and {{ feed.message_id }} = taken.message_id
                )
                {% if feed.has_batches %}
                    and feed.batch_id > {{ taken_up_to }}
                {% endif %}
        {% endif %}

    ),

    -- One column per place where an identifier may stand, the strongest first.
    {{ feed.name }}_found as (

        select
            {{ feed.source_id }} as source_id,
            {{ feed.message_id }} as message_id,
            {{ feed.received_at }} as received_at,
            {{ 'feed.batch_id' if feed.has_batches else 'cast(null as bigint)' }}
                as stored_batch_id,
        {%- for place in feed.places %}
            {{ place.value }} as {{ place.column }}
            {{- ',' if not loop.last }}
        {%- endfor %}
        from {{ feed.name }}_read as feed
        -- A row of a table without its key is no event.
        where {{ feed.key }} is not null

    ),

    {{ feed.name }}_allowed as (

        select
            source_id,
            message_id,
            received_at,
            stored_batch_id,
        {%- for place in feed.places %}
            {{ allowed_value(place) }} as {{ place.column }}
            {{- ',' if not loop.last }}
        {%- endfor %}
        from {{ feed.name }}_found

    ),

    -- Values count from here on as numbers only; null stays null.
    {{ feed.name }}_numbered as (

        select
            *,
        {%- for place in feed.places %}
            {{ identifier_id("'" ~ place.identifier.type ~ "'", place.column) }}
                as {{ place.id }}
            {{- ',' if not loop.last }}
        {%- endfor %}
        from {{ feed.name }}_allowed

    ),

    {{ feed.name }}_ranked as (

        select
            *,
            coalesce(
                {%- for place in feed.places %}
                    {{ place.id }}{{ ',' if not loop.last }}
                {%- endfor %}
                {{- ', null' if feed.places | length == 1 }}
            ) as strongest_identifier_id
        from {{ feed.name }}_numbered

    ),

{% endfor %}
identified as (

    {% for feed in feeds %}
        select
            ranked.source_id,
            ranked.message_id,
            ranked.received_at,
            ranked.stored_batch_id,
            places.identifier_type,
            case places.place
                {%- for place in feed.places %}
                    when {{ loop.index }} then ranked.{{ place.column }}
                {%- endfor %}
            end as identifier_value,
            places.priority,
            case places.place
                {%- for place in feed.places %}
                    when {{ loop.index }} then ranked.{{ place.id }}
                {%- endfor %}
            end as identifier_id,
            ranked.strongest_identifier_id
        from {{ feed.name }}_ranked as ranked
        cross join (
            values
            {%- for place in feed.places %}
                (
                    {{ loop.index }},
                    '{{ place.identifier.type }}',
                    {{ place.identifier.priority }}
                ){{ ',' if not loop.last }}
            {%- endfor %}
        ) as places (place, identifier_type, priority)
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

),

batches as (

    {% if is_incremental() %}
        select {{ next_batch_id('batch_id') }} as batch_id
        from {{ this }}
    {% else %}
        select {{ build_started_microseconds() }} as batch_id
    {% endif %}

)

select
    identified.source_id,
    identified.message_id,
    identified.received_at,
    identified.identifier_type,
    identified.identifier_value,
    identified.priority,
    identified.identifier_id,
    identified.strongest_identifier_id,
    identified.stored_batch_id,
    batches.batch_id,
    '{{ rules_version }}' as rules_version
from identified
cross join batches
where identified.identifier_id is not null
