-- Compiled from vip_customers.yml; 03d108e78217
with

profiles as (

    select * from {{ ref('profiles') }}

)

select profiles.profile_id
from profiles
where
    profiles.lifetime_value >= 500
    and (
        profiles.last_ordered_at > {{ days_ago(90) }}
        and profiles.last_ordered_at <= {{ build_started_at() }}
    )
