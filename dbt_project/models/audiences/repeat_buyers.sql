-- Compiled from repeat_buyers.yml; d9833614bbff
with

profiles as (

    select * from {{ ref('profiles') }}

),

conditions_order_completed as (

    select * from {{ ref('conditions_order_completed') }}

)

select profiles.profile_id
from profiles
left join conditions_order_completed
    on profiles.profile_id = conditions_order_completed.profile_id
where coalesce(conditions_order_completed.count_in_last_90_days, 0) >= 2
