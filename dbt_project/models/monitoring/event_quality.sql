{%- set sample_count = 3 -%}

with

events as (

    select
        source_id,
        dt,
        message_id,
        type,
        received_at,
        case when type = 'track' then event else type end as event
    from {{ ref('renamed_events') }}

),

enforcement as (

    select * from {{ ref('event_enforcement') }}

),

flawed as (

    select
        source_id,
        message_id,
        count(*) as violation_count
    from {{ ref('event_violations') }}
    group by source_id, message_id

),

judged as (

    select
        events.*,
        flawed.violation_count,
        enforcement.decision,
        case when flawed.message_id is null then 1 else 0 end as is_compliant,
        row_number() over (
            partition by
                events.source_id,
                events.type,
                events.event,
                events.dt,
                case when flawed.message_id is null then 1 else 0 end
            order by events.received_at, events.message_id
        ) as place
    from events
    left join flawed
        on
            events.source_id = flawed.source_id
            and events.message_id = flawed.message_id
    left join enforcement
        on
            events.source_id = enforcement.source_id
            and events.message_id = enforcement.message_id

)

select
    source_id,
    type,
    event,
    dt as received_on,
    count(*) as event_count,
    cast(sum(is_compliant) as bigint) as compliant_count,
    count(case when decision = 'quarantined' then 1 end) as blocked_count,
    count(case when decision = 'omitted' then 1 end) as omitted_count,
    cast(coalesce(sum(violation_count), 0) as bigint) as violation_count,
    cast(sum(is_compliant) as double) / count(*) as compliant_share,
    min(received_at) as first_seen_at,
    max(received_at) as last_seen_at,
    {{
        collected_texts(
            'case when is_compliant = 0 and place <= ' ~ sample_count
            ~ ' then message_id end'
        )
    }} as samples
from judged
group by source_id, type, event, dt
