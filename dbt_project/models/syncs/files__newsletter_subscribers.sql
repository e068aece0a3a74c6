with

members as (

    select * from {{ ref('newsletter_subscribers') }}

),

profiles as (

    select * from {{ ref('profiles') }}

),

-- Profiles that share an address get one newsletter: the one seen last.
ranked as (

    select
        profiles.*,
        members.entered_at,
        row_number() over (
            partition by profiles.email
            order by profiles.last_seen_at desc, profiles.profile_id
        ) as choice
    from members
    inner join profiles on members.profile_id = profiles.profile_id
    where profiles.email is not null

)

select
    profile_id as _profile_id,
    email,
    first_name,
    last_name,
    country,
    favourite_category,
    entered_at as subscribed_at
from ranked
where choice = 1
