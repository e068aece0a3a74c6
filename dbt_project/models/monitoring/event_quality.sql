with

events as (

    select
        source_id,
        dt,
        message_id,
        type,
        case when type = 'track' then event else type end as event
    from {{ ref('stg_events') }}

),

flawed as (

    select
        source_id,
        message_id,
        count(*) as violation_count,
        max(case when is_blocking then 1 else 0 end) as is_blocked
    from {{ ref('event_violations') }}
    group by source_id, message_id

)

select
    events.source_id,
    events.type,
    events.event,
    events.dt as received_on,
    count(*) as event_count,
    count(*) - count(flawed.message_id) as compliant_count,
    cast(coalesce(sum(flawed.is_blocked), 0) as bigint) as blocked_count,
    cast(coalesce(sum(flawed.violation_count), 0) as bigint) as violation_count,
    cast(count(*) - count(flawed.message_id) as double) / count(*) as compliant_share
from events
left join flawed
    on
        events.source_id = flawed.source_id
        and events.message_id = flawed.message_id
group by events.source_id, events.type, events.event, events.dt
