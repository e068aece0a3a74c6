with

flowing_events as (

    select * from {{ ref('flowing_events') }}

),

event_profiles as (

    select * from {{ ref('event_profiles') }}

)

-- All columns of what flows on, whatever they are.
select
    flowing_events.*, -- noqa: AM04
    event_profiles.profile_id
from flowing_events
left join event_profiles
    on
        flowing_events.source_id = event_profiles.source_id
        and flowing_events.message_id = event_profiles.message_id
