with

violations as (

    select * from {{ ref('event_violations') }}

),

releases as (

    select * from {{ ref('stg_quarantine_releases') }}

),

-- A violation may be covered by several releases; the first is the one that counts.
covered as (

    select
        violations.source_id,
        violations.message_id,
        violations.scope,
        violations.property,
        violations.violation,
        releases.release_id,
        releases.released_at,
        row_number() over (
            partition by
                violations.source_id,
                violations.message_id,
                violations.scope,
                violations.property
            order by releases.released_at, releases.release_id
        ) as place
    from violations
    inner join releases
        on
            violations.action = 'quarantine'
            and {{
                release_covers(
                    'releases',
                    code='violations.violation',
                    event='violations.event',
                    source_id='violations.source_id',
                    received_at='violations.received_at',
                    ids=[
                        'violations.message_id',
                        "concat(violations.source_id, ':', violations.message_id)",
                    ]
                )
            }}

)

select
    source_id,
    message_id,
    scope,
    property,
    violation,
    release_id,
    released_at
from covered
where place = 1
