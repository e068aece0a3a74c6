with

sync_log as (

    select * from {{ ref('stg_sync_log') }}

),

contact_keys as (

    select * from {{ ref('contact_keys') }}

),

contacts as (

    {% for cap in frequency_cap_entries() %}
        {% for sync in cap.get('syncs', []) %}
            select
                {{ string_literal(cap.cap) }} as cap,
                {{ cap.limit }} as contact_limit,
                contact_keys.profile_id,
                false as is_event,
                sync_log.at,
                sync_log.at + interval '{{ cap.within_days }}' day as past_at
            from sync_log
            inner join contact_keys
                on
                    contact_keys.key_type = {{ string_literal(key_of_sync(sync)) }}
                    and sync_log.key = contact_keys.key
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
                true as is_event,
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
        false as is_event,
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
    count(case when is_event then 1 end) as event_contacts,
    max(contact_limit) as contact_limit,
    count(*) >= max(contact_limit) as is_capped,
    max(case when recency = contact_limit then past_at end) as free_at
from ranked
group by cap, profile_id
