with

violations as (

    select * from {{ ref('event_violations') }}

),

releases as (

    select * from {{ ref('violation_releases') }}

),

-- What still counts: the plan says more than `allow`, and nobody released it.
enforced as (

    select
        violations.*,
        concat_ws(' of ', violations.violation, violations.property) as reason,
        {{ place_in_event('violations.scope', 'violations.property') }} as place
    from violations
    left join releases
        on
            violations.source_id = releases.source_id
            and violations.message_id = releases.message_id
            and coalesce(violations.scope, '') = coalesce(releases.scope, '')
            and coalesce(violations.property, '') = coalesce(releases.property, '')
    where violations.action <> 'allow' and releases.release_id is null

),

-- One that is held back loses nothing: it waits as it came.
decided as (

    select
        *,
        max(case when action = 'quarantine' then 1 else 0 end) over (
            partition by source_id, message_id
        ) as is_held
    from enforced

)

select
    source_id,
    message_id,
    type,
    event,
    version,
    case when is_held = 1 then 'quarantined' else 'omitted' end as decision,
    {{ joined_texts(collected_texts('reason')) }} as reason,
    case
        when is_held = 0 then {{ collected_texts('place') }}
    end as omitted_properties,
    received_at
from decided
where is_held = 0 or action = 'quarantine'
group by source_id, message_id, type, event, version, is_held, received_at
