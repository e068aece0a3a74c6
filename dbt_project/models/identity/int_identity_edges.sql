{%- set rules_version = identifier_rules_version() -%}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key=['left_id', 'right_id'],
        post_hook=delete_rows_of_other_rules(),
    )
}}

with

{% if is_incremental() %}
    known as (

        select * from {{ this }}
        where rules_version = '{{ rules_version }}'

    ),

{% endif %}
-- The strongest identifier of an event is never the weaker end.
links as (

    select
        least(identifier_id, strongest_identifier_id) as left_id,
        greatest(identifier_id, strongest_identifier_id) as right_id,
        received_at,
        message_id,
        source_id,
        priority,
        batch_id
    from {{ ref('int_event_identifiers') }}
    where
        identifier_id <> strongest_identifier_id
        {% if is_incremental() %}
            and batch_id > (select coalesce(max(batch_id), 0) from known)
        {% endif %}

),

ranked as (

    select
        *,
        row_number() over (
            partition by left_id, right_id
            order by received_at, message_id, source_id
        ) as sighting
    from links

),

-- Only the first time counts: an edge that was dropped once would be dropped again.
first_links as (

    select ranked.*
    from ranked
    {% if is_incremental() %}
        left join known
            on
                ranked.left_id = known.left_id
                and ranked.right_id = known.right_id
    {% endif %}
    where
        ranked.sighting = 1
        {% if is_incremental() %}
            and (
                known.left_id is null
                or ranked.received_at < known.received_at
                or (
                    ranked.received_at = known.received_at
                    and ranked.message_id < known.message_id
                )
                or (
                    ranked.received_at = known.received_at
                    and ranked.message_id = known.message_id
                    and ranked.source_id < known.source_id
                )
            )
        {% endif %}

)

select
    left_id,
    right_id,
    received_at,
    message_id,
    source_id,
    priority,
    batch_id,
    '{{ rules_version }}' as rules_version
from first_links
