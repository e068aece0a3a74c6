with

profiles as (

    select * from {{ ref('profiles') }}

),

-- Profiles that share an address are one record at the destination: the one seen last.
ranked as (

    select
        *,
        row_number() over (
            partition by email order by last_seen_at desc, profile_id
        ) as choice
    from profiles
    where email is not null

)

select
    -- Says whose the row is; it is not sent.
    profile_id as _profile_id,
    email,
    first_name,
    last_name
from ranked
where choice = 1
