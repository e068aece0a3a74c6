{%- set sample_count = 3 -%}

with

-- A model that is read twice has two names here: an engine copies what one name gives.
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

candidates as (

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

ranked as (

    select
        candidates.source_id,
        candidates.message_id,
        row_number() over (
            partition by
                candidates.source_id,
                candidates.type,
                candidates.event,
                candidates.dt
            order by candidates.received_at, candidates.message_id
        ) as place
    from candidates
    inner join flawed
        on
            candidates.source_id = flawed.source_id
            and candidates.message_id = flawed.message_id

),

samples as (

    select * from ranked
    where place <= {{ sample_count }}

),

judged as (

    select
        events.*,
        flawed.violation_count,
        samples.message_id as sampled_id,
        enforcement.decision,
        case when flawed.message_id is null then 1 else 0 end as is_compliant
    from events
    left join flawed
        on
            events.source_id = flawed.source_id
            and events.message_id = flawed.message_id
    left join samples
        on
            events.source_id = samples.source_id
            and events.message_id = samples.message_id
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
    {{ collected_texts('sampled_id') }} as samples
from judged
group by source_id, type, event, dt
