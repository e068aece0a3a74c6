-- Compiled from window_shoppers.yml; a4516656c45b
with

profiles as (

    select * from {{ ref('profiles') }}

),

conditions_product_viewed as (

    select * from {{ ref('conditions_product_viewed') }}

),

conditions_order_completed as (

    select * from {{ ref('conditions_order_completed') }}

)

select profiles.profile_id
from profiles
left join conditions_product_viewed
    on profiles.profile_id = conditions_product_viewed.profile_id
left join conditions_order_completed
    on profiles.profile_id = conditions_order_completed.profile_id
where
    coalesce(conditions_product_viewed.count_in_last_30_days, 0) >= 3
    and coalesce(conditions_order_completed.count_in_last_30_days, 0) = 0
