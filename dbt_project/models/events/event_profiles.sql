{%- set rules_version = identifier_rules_version() -%}
{{
    config(
        incremental_strategy='delete+insert',
        unique_key=['source_id', 'message_id'],
        pre_hook=delete_rows_of_other_rules(),
    )
}}
{%- set taken_up_to = greatest_batch_of_table('taken_batch_id') -%}
{%- set owned_up_to = greatest_batch_of_table('owners_batch_id') -%}

with

event_identifiers as {{ computed_anew() }} (

    select * from {{ ref('int_event_identifiers') }}

),

profile_identifiers as {{ computed_anew() }} (

    select * from {{ ref('profile_identifiers') }}

),

owners as {{ computed_anew() }} (

    select * from {{ ref('int_identifier_owners') }}

),

-- The strongest identifier decides: on a shared computer that is the person who is
-- signed in, not whoever used the browser before.
new_events as (

    select
        event_identifiers.source_id,
        event_identifiers.message_id,
        profile_identifiers.profile_id,
        event_identifiers.identifier_id,
        event_identifiers.batch_id as taken_batch_id
    from event_identifiers
    inner join profile_identifiers
        on event_identifiers.identifier_id = profile_identifiers.identifier_id
    where
        event_identifiers.identifier_id = event_identifiers.strongest_identifier_id
        and event_identifiers.batch_id > {{ taken_up_to }}

),

owned_events as (

    select * from new_events

    {% if is_incremental() %}
        union all

        -- An identifier that has another profile by now takes its events along. (Where
        -- identifiers were taken anew, its events are among those above.)
        select
            known.source_id,
            known.message_id,
            profile_identifiers.profile_id,
            known.identifier_id,
            known.taken_batch_id
        from {{ this }} as known
        inner join profile_identifiers
            on
                known.identifier_id = profile_identifiers.identifier_id
                and known.profile_id <> profile_identifiers.profile_id
        where
            known.identifier_id in (
                select identifier_id from owners
                where batch_id > {{ owned_up_to }}
            )
            and (select min(batch_id) from event_identifiers) <= {{ taken_up_to }}
    {% endif %}

),

batches as (

    {% if is_incremental() %}
        select {{ next_batch_id('batch_id') }} as batch_id
        from {{ this }}
    {% else %}
        select {{ build_started_microseconds() }} as batch_id
    {% endif %}

),

latest_owners as (

    select coalesce(max(batch_id), 0) as owners_batch_id
    from owners

)

select
    owned_events.source_id,
    owned_events.message_id,
    owned_events.profile_id,
    owned_events.identifier_id,
    owned_events.taken_batch_id,
    latest_owners.owners_batch_id,
    batches.batch_id,
    '{{ rules_version }}' as rules_version
from owned_events
cross join batches
cross join latest_owners
