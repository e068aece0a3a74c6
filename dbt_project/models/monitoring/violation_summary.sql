{%- set sample_count = 3 -%}

with

violations as (

    select * from {{ ref('event_violations') }}

),

enforcement as (

    select * from {{ ref('event_enforcement') }}

),

ranked as (

    select
        violations.*,
        enforcement.decision,
        row_number() over (
            partition by
                violations.source_id,
                violations.type,
                violations.event,
                violations.scope,
                violations.property,
                violations.violation
            order by violations.received_at, violations.message_id
        ) as place
    from violations
    left join enforcement
        on
            violations.source_id = enforcement.source_id
            and violations.message_id = enforcement.message_id

)

select
    source_id,
    type,
    event,
    scope,
    property,
    violation,
    count(*) as event_count,
    count(case when decision = 'quarantined' then 1 end) as blocked_count,
    min(received_at) as first_seen_at,
    max(received_at) as last_seen_at,
    max(case when place = 1 then expected end) as expected,
    {{ collected_texts(
        'case when place <= ' ~ sample_count ~ ' then found_value end'
    ) }} as found_values,
    {{ collected_texts(
        'case when place <= ' ~ sample_count ~ ' then message_id end'
    ) }} as samples
from ranked
group by source_id, type, event, scope, property, violation
