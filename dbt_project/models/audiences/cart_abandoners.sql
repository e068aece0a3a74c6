-- Compiled from cart_abandoners.yml; b93ca054606d
with

profiles as (

    select * from {{ ref('profiles') }}

)

select profiles.profile_id
from profiles
where
    profiles.last_product_added_at is not null
    and (
        profiles.last_ordered_at is null
        or profiles.last_ordered_at < profiles.last_product_added_at
    )
