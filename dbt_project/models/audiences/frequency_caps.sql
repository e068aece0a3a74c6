with

sync_log as (

    select * from {{ ref('stg_sync_log') }}

),

profile_identifiers as (

    select * from {{ ref('profile_identifiers') }}

),

-- A profile_id of the log may be of one that was merged since.
known_by as (

    select
        identifier_type,
        identifier_value,
        profile_id
    from profile_identifiers

    union all

    select
        'profile_id' as identifier_type,
        {{ profile_id('identifier_type', 'identifier_value') }} as identifier_value,
        profile_id
    from profile_identifiers

),

contacts as (

    {% for cap in frequency_cap_entries() %}
        {% for sync in cap.get('syncs', []) %}
            select
                {{ string_literal(cap.cap) }} as cap,
                {{ cap.limit }} as contact_limit,
                known_by.profile_id,
                sync_log.at,
                sync_log.at + interval '{{ cap.within_days }}' day as past_at
            from sync_log
            inner join known_by
                on
                    known_by.identifier_type = {{ string_literal(key_of_sync(sync)) }}
                    and sync_log.key = known_by.identifier_value
            where
                sync_log.sync = {{ string_literal(sync) }}
                and sync_log.outcome = 'succeeded'
                and sync_log.operation in ('insert', 'update')
                and sync_log.at > {{ days_ago(cap.within_days) }}
                and sync_log.at <= {{ build_started_at() }}

            union all

        {% endfor %}
        {% for event in cap.get('events', []) %}
            select
                {{ string_literal(cap.cap) }} as cap,
                {{ cap.limit }} as contact_limit,
                profile_id,
                timestamp as at,
                timestamp + interval '{{ cap.within_days }}' day as past_at
            from {{ ref(event) }}
            where
                profile_id is not null
                and timestamp > {{ days_ago(cap.within_days) }}
                and timestamp <= {{ build_started_at() }}

            union all

        {% endfor %}
    {% endfor %}
    select
        cast(null as {{ dbt.type_string() }}) as cap,
        0 as contact_limit,
        cast(null as {{ dbt.type_string() }}) as profile_id,
        cast(null as {{ timestamp_type() }}) as at,
        cast(null as {{ timestamp_type() }}) as past_at
    where 1 = 0

),

ranked as (

    select
        *,
        row_number() over (
            partition by cap, profile_id
            order by contacts.at desc
        ) as recency
    from contacts

)

-- One contact more is free when the oldest of those that fill the limit is past.
select
    cap,
    profile_id,
    count(*) as contacts,
    max(contact_limit) as contact_limit,
    count(*) >= max(contact_limit) as is_capped,
    max(case when recency = contact_limit then past_at end) as free_at
from ranked
group by cap, profile_id
