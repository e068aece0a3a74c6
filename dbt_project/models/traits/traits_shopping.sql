-- Compiled from traits_shopping.yml; 75cedb5b69f3
{{ config(materialized='by_profile') }}

with

order_completed as (

    select * from {{ ref('order_completed') }}

),

product_viewed as (

    select
        *,
        (timestamp, received_at, source_id, message_id) as place
    from {{ ref('product_viewed') }}

),

signed_up as (

    select
        *,
        (timestamp, received_at, source_id, message_id) as place
    from {{ ref('signed_up') }}

),

order_completed_traits as (

    select
        profile_id,
        count(
            case when timestamp > {{ days_ago(90) }} then 1 end
        ) as orders_last_90_days,
        cast(
            sum(
                case
                    when timestamp > {{ days_ago(90) }}
                        then total
                end
            ) as decimal(18, 2)
        ) as spent_last_90_days,
        max(total) as largest_order
    from order_completed
    where
        profile_id is not null
        and timestamp <= {{ build_started_at() }}
    group by profile_id

),

order_completed_by_coupon as (

    select
        profile_id,
        coupon,
        count(coupon) as coupons_times
    from order_completed
    where
        profile_id is not null
        and timestamp <= {{ build_started_at() }}
    group by
        profile_id,
        coupon

),

order_completed_by_coupon_traits as (

    select
        profile_id,
        case
            when count(case when coupons_times > 0 then 1 end) > 0
                then array_sort(
                    array_distinct(
                        array_agg(case when coupons_times > 0 then coupon end)
                    )
                )
        end as coupons
    from order_completed_by_coupon
    group by profile_id

),

product_viewed_traits as (

    select
        profile_id,
        count(
            case
                when timestamp > {{ days_ago(30) }}
                    then 1
            end
        ) as product_views_last_30_days,
        min_by(
            category,
            case when category is not null then place end
        ) as first_category_viewed
    from product_viewed
    where
        profile_id is not null
        and timestamp <= {{ build_started_at() }}
    group by profile_id

),

product_viewed_by_category as (

    select
        profile_id,
        category,
        count(category) as categories_viewed_times
    from product_viewed
    where
        profile_id is not null
        and timestamp <= {{ build_started_at() }}
    group by
        profile_id,
        category

),

product_viewed_by_category_traits as (

    select
        profile_id,
        count(case when categories_viewed_times > 0 then 1 end) as categories_viewed
    from product_viewed_by_category
    group by profile_id

),

product_viewed_by_product_id as (

    select
        profile_id,
        product_id,
        count(product_id) as favourite_product_times
    from product_viewed
    where
        profile_id is not null
        and timestamp <= {{ build_started_at() }}
    group by
        profile_id,
        product_id

),

product_viewed_by_product_id_traits as (

    select
        profile_id,
        min_by(
            product_id,
            case
                when favourite_product_times >= 2
                    then (-favourite_product_times, product_id)
            end
        ) as favourite_product
    from product_viewed_by_product_id
    group by profile_id

),

signed_up_traits as (

    select
        profile_id,
        min_by(method, case when method is not null then place end) as sign_up_method
    from signed_up
    where
        profile_id is not null
        and timestamp <= {{ build_started_at() }}
    group by profile_id

),

everybody as (

    select profile_id
    from order_completed_traits

    union

    select profile_id
    from product_viewed_traits

    union

    select profile_id
    from signed_up_traits

)

select
    everybody.profile_id,
    coalesce(order_completed_traits.orders_last_90_days, 0) as orders_last_90_days,
    order_completed_traits.spent_last_90_days,
    order_completed_traits.largest_order,
    order_completed_by_coupon_traits.coupons,
    coalesce(
        product_viewed_traits.product_views_last_30_days,
        0
    ) as product_views_last_30_days,
    coalesce(
        product_viewed_by_category_traits.categories_viewed,
        0
    ) as categories_viewed,
    product_viewed_by_product_id_traits.favourite_product,
    product_viewed_traits.first_category_viewed,
    signed_up_traits.sign_up_method
from everybody
left join order_completed_traits
    on everybody.profile_id = order_completed_traits.profile_id
left join order_completed_by_coupon_traits
    on everybody.profile_id = order_completed_by_coupon_traits.profile_id
left join product_viewed_traits
    on everybody.profile_id = product_viewed_traits.profile_id
left join product_viewed_by_category_traits
    on everybody.profile_id = product_viewed_by_category_traits.profile_id
left join product_viewed_by_product_id_traits
    on everybody.profile_id = product_viewed_by_product_id_traits.profile_id
left join signed_up_traits
    on everybody.profile_id = signed_up_traits.profile_id
