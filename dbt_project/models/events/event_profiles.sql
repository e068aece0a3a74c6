with

event_identifiers as (

    select * from {{ ref('int_event_identifiers') }}

),

profile_identifiers as (

    select * from {{ ref('profile_identifiers') }}

),

-- The strongest identifier decides: on a shared computer that is the person who is
-- signed in, not whoever used the browser before.
ranked as (

    select
        event_identifiers.source_id,
        event_identifiers.message_id,
        holders.profile_id,
        row_number() over (
            partition by event_identifiers.source_id, event_identifiers.message_id
            order by event_identifiers.priority, event_identifiers.identifier_value
        ) as strength
    from event_identifiers
    inner join profile_identifiers as holders
        on
            event_identifiers.identifier_type = holders.identifier_type
            and event_identifiers.identifier_value = holders.identifier_value

)

select
    source_id,
    message_id,
    profile_id
from ranked
where strength = 1
