with

members as (

    select * from {{ ref('vip_customers') }}

),

profiles as (

    select * from {{ ref('profiles') }}

),

-- Profiles that share an address are one contact in the CRM: the one seen last.
ranked as (

    select
        profiles.*,
        row_number() over (
            partition by profiles.email
            order by profiles.last_seen_at desc, profiles.profile_id
        ) as choice
    from members
    inner join profiles on members.profile_id = profiles.profile_id
    where profiles.email is not null

)

select
    email,
    profile_id,
    first_name,
    last_name,
    phone,
    country,
    order_count,
    lifetime_value,
    last_ordered_at
from ranked
where choice = 1
