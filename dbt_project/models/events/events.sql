{{ config(materialized='view') }}

with

stored_events as (

    select * from {{ ref('stg_events') }}

),

event_profiles as (

    select * from {{ ref('event_profiles') }}

),

blocked as (

    select distinct
        source_id,
        message_id
    from {{ ref('event_violations') }}
    where is_blocking

)

select
    stored_events.*,
    event_profiles.profile_id,
    blocked.message_id is null as is_compliant
from stored_events
left join event_profiles
    on
        stored_events.source_id = event_profiles.source_id
        and stored_events.message_id = event_profiles.message_id
left join blocked
    on
        stored_events.source_id = blocked.source_id
        and stored_events.message_id = blocked.message_id
