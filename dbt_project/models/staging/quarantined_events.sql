with

violations as (

    select * from {{ ref('event_violations') }}

),

violation_releases as (

    select * from {{ ref('violation_releases') }}

),

payloads as (

    select * from {{ ref('quarantined_payloads') }}

),

releases as (

    select * from {{ ref('stg_quarantine_releases') }}

),

-- What the plan holds back, or would if nobody had released it.
blocking as (

    select
        violations.*,
        concat_ws(' of ', violations.violation, violations.property) as reason,
        violation_releases.release_id,
        row_number() over (
            partition by violations.source_id, violations.message_id
            order by
                case when violation_releases.release_id is null then 0 else 1 end,
                violation_releases.released_at desc,
                violation_releases.release_id
        ) as place
    from violations
    left join violation_releases
        on
            violations.source_id = violation_releases.source_id
            and violations.message_id = violation_releases.message_id
            and coalesce(violations.scope, '') = coalesce(violation_releases.scope, '')
            and coalesce(violations.property, '')
            = coalesce(violation_releases.property, '')
    where violations.action = 'quarantine'

),

-- It flows on once the last of its violations is released.
held_by_plan as (

    select
        concat(source_id, ':', message_id) as quarantine_id,
        'plan' as held_by,
        source_id,
        message_id,
        type,
        event,
        {{ collected_texts('violation') }} as codes,
        {{ joined_texts(collected_texts('reason')) }} as reason,
        received_at,
        true as is_releasable,
        'mend the plan, or release it' as how_to_release,
        max(case when place = 1 then release_id end) as release_id
    from blocking
    group by source_id, message_id, type, event, received_at

),

held_by_collector as (

    select
        concat(segment, ':', position) as quarantine_id,
        'collector' as held_by,
        source_id,
        message_id,
        type,
        case when type = 'track' then event else type end as event,
        {{ collected_texts('code') }} as codes,
        detail as reason,
        received_at,
        obstacle is null as is_releasable,
        case
            when obstacle is null then 'release it'
            else concat('mend its source and send it again: ', obstacle)
        end as how_to_release,
        release_id
    from payloads
    group by
        segment,
        position,
        source_id,
        message_id,
        type,
        event,
        detail,
        received_at,
        obstacle,
        release_id

),

quarantined as (

    select * from held_by_plan

    union all

    select * from held_by_collector

)

select
    quarantined.quarantine_id,
    quarantined.held_by,
    quarantined.source_id,
    quarantined.message_id,
    quarantined.type,
    quarantined.event,
    quarantined.codes,
    quarantined.reason,
    quarantined.received_at,
    quarantined.release_id is null as is_held,
    quarantined.is_releasable,
    quarantined.how_to_release,
    quarantined.release_id,
    releases.released_at,
    releases.released_by,
    releases.reason as release_reason
from quarantined
left join releases on quarantined.release_id = releases.release_id
