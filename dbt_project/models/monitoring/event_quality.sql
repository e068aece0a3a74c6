{%- set sample_count = 3 -%}

with

event_counts as (

    select * from {{ ref('event_counts') }}

),

stored_events as (

    select * from {{ ref('stg_events') }}

),

enforcement as (

    select * from {{ ref('event_enforcement') }}

),

flawed as (

    select
        source_id,
        message_id,
        type,
        event,
        received_at,
        count(*) as violation_count
    from {{ ref('event_violations') }}
    group by source_id, message_id, type, event, received_at

),

ranked as (

    select
        flawed.source_id,
        flawed.message_id,
        flawed.type,
        flawed.event,
        stored_events.dt,
        flawed.violation_count,
        flawed.received_at,
        enforcement.decision,
        row_number() over (
            partition by
                flawed.source_id,
                flawed.type,
                flawed.event,
                stored_events.dt
            order by flawed.received_at, flawed.message_id
        ) as place
    from flawed
    inner join stored_events
        on
            flawed.source_id = stored_events.source_id
            and flawed.message_id = stored_events.message_id
    left join enforcement
        on
            flawed.source_id = enforcement.source_id
            and flawed.message_id = enforcement.message_id

),

-- What was counted, and each event with a violation.
judged as (

    select
        source_id,
        type,
        event,
        received_on,
        event_count,
        0 as flawed_count,
        0 as violation_count,
        cast(null as {{ dbt.type_string() }}) as decision,
        first_seen_at,
        last_seen_at,
        cast(null as {{ dbt.type_string() }}) as sampled_id
    from event_counts

    union all

    select
        source_id,
        type,
        event,
        dt as received_on,
        0 as event_count,
        1 as flawed_count,
        violation_count,
        decision,
        received_at as first_seen_at,
        received_at as last_seen_at,
        case when place <= {{ sample_count }} then message_id end as sampled_id
    from ranked

)

select
    source_id,
    type,
    event,
    received_on,
    cast(sum(event_count) as bigint) as event_count,
    cast(sum(event_count) - sum(flawed_count) as bigint) as compliant_count,
    count(case when decision = 'quarantined' then 1 end) as blocked_count,
    count(case when decision = 'omitted' then 1 end) as omitted_count,
    cast(sum(violation_count) as bigint) as violation_count,
    cast(sum(event_count) - sum(flawed_count) as double) / sum(event_count)
        as compliant_share,
    min(first_seen_at) as first_seen_at,
    max(last_seen_at) as last_seen_at,
    {{ collected_texts('sampled_id') }} as samples
from judged
group by source_id, type, event, received_on
