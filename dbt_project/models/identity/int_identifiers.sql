{%- set rules_version = identifier_rules_version() -%}
{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='identifier_id',
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
sightings as (

    select * from {{ ref('int_event_identifiers') }}
    {% if is_incremental() %}
        where batch_id > (select coalesce(max(batch_id), 0) from known)
    {% endif %}

),

seen as (

    select
        identifier_id,
        min(received_at) as first_seen_at,
        max(received_at) as last_seen_at,
        max(batch_id) as batch_id
    from sightings
    group by identifier_id

),

-- A batch arrives in one moment, so several events may be the first.
first_seen as (

    select
        sightings.identifier_id,
        seen.first_seen_at,
        seen.last_seen_at,
        seen.batch_id,
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
        seen.last_seen_at,
        seen.batch_id

),

{% if is_incremental() %}
    compared as (

        select
            first_seen.*,
            known.first_seen_at as known_first_seen_at,
            known.first_message_id as known_first_message_id,
            known.last_seen_at as known_last_seen_at,
            known.age_batch_id as known_age_batch_id,
            (
                known.identifier_id is null
                or first_seen.first_seen_at < known.first_seen_at
                or (
                    first_seen.first_seen_at = known.first_seen_at
                    and first_seen.first_message_id < known.first_message_id
                )
            ) as is_older
        from first_seen
        left join known
            on first_seen.identifier_id = known.identifier_id

    ),

    -- A late event changes the age, most others the last sight, and some nothing.
    changed as (

        select
            identifier_id,
            identifier_type,
            identifier_value,
            priority,
            batch_id,
            case when is_older then first_seen_at else known_first_seen_at end
                as first_seen_at,
            case
                when known_last_seen_at > last_seen_at then known_last_seen_at
                else last_seen_at
            end as last_seen_at,
            case
                when is_older then first_message_id else known_first_message_id
            end as first_message_id,
            case when is_older then batch_id else known_age_batch_id end
                as age_batch_id
        from compared
        where is_older or last_seen_at > known_last_seen_at

    )
{% else %}
    changed as (

        select
            *,
            batch_id as age_batch_id
        from first_seen

    )
{% endif %}

select
    identifier_id,
    identifier_type,
    identifier_value,
    priority,
    first_seen_at,
    last_seen_at,
    first_message_id,
    age_batch_id,
    batch_id,
    '{{ rules_version }}' as rules_version
from changed
