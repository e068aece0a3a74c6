with

event_identifiers as (

    select * from {{ ref('int_event_identifiers') }}

),

profile_identifiers as (

    select * from {{ ref('profile_identifiers') }}

)

-- The strongest identifier decides: on a shared computer that is the person who is
-- signed in, not whoever used the browser before.
select
    event_identifiers.source_id,
    event_identifiers.message_id,
    profile_identifiers.profile_id
from event_identifiers
inner join profile_identifiers
    on event_identifiers.identifier_id = profile_identifiers.identifier_id
where event_identifiers.identifier_id = event_identifiers.strongest_identifier_id
