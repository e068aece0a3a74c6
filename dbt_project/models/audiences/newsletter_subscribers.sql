-- Compiled from newsletter_subscribers.yml; 8060251ff8c2
with

profiles as (

    select * from {{ ref('profiles') }}

)

select profiles.profile_id
from profiles
where
    profiles.has_marketing_consent = true
    and profiles.email is not null
