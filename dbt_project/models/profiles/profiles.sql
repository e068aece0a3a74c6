with

profile_identifiers as (

    select * from {{ ref('profile_identifiers') }}

),

traits_identity as (

    select * from {{ ref('traits_identity') }}

),

traits_orders as (

    select * from {{ ref('traits_orders') }}

),

traits_engagement as (

    select * from {{ ref('traits_engagement') }}

),

traits_shopping as (

    select * from {{ ref('traits_shopping') }}

),

traits_account as (

    select * from {{ ref('traits_account') }}

),

people as (

    select
        profile_id,
        min(first_seen_at) as first_seen_at,
        max(last_seen_at) as last_seen_at,
        count(*) as identifier_count
    from profile_identifiers
    group by profile_id

)

select
    people.profile_id,
    people.first_seen_at,
    people.last_seen_at,
    people.identifier_count,

    ----------  who it is
    traits_identity.email,
    traits_identity.first_name,
    traits_identity.last_name,
    traits_identity.phone,
    traits_identity.country,
    coalesce(traits_identity.has_marketing_consent, false) as has_marketing_consent,

    ---------- orders
    coalesce(traits_orders.order_count, 0) as order_count,
    coalesce(traits_orders.lifetime_value, 0) as lifetime_value,
    traits_orders.average_order_value,
    coalesce(traits_orders.refund_count, 0) as refund_count,
    traits_orders.first_ordered_at,
    traits_orders.last_ordered_at,
    traits_orders.last_order_id,
    coalesce(traits_shopping.orders_last_90_days, 0) as orders_last_90_days,
    coalesce(traits_shopping.spent_last_90_days, 0) as spent_last_90_days,
    traits_shopping.largest_order,
    traits_shopping.coupons,

    ---------- engagement
    coalesce(traits_engagement.event_count, 0) as event_count,
    traits_engagement.last_active_at,
    coalesce(traits_engagement.device_count, 0) as device_count,
    coalesce(traits_engagement.page_view_count, 0) as page_view_count,
    coalesce(traits_engagement.product_view_count, 0) as product_view_count,
    traits_engagement.favourite_category,
    traits_engagement.last_product_added_at,
    coalesce(
        traits_shopping.product_views_last_30_days,
        0
    ) as product_views_last_30_days,
    coalesce(traits_shopping.categories_viewed, 0) as categories_viewed,
    traits_shopping.favourite_product,
    traits_shopping.first_category_viewed,
    traits_shopping.sign_up_method,

    ---------- account
    traits_account.group_id,
    traits_account.account_name,
    traits_account.account_plan
from people
left join traits_identity on people.profile_id = traits_identity.profile_id
left join traits_orders on people.profile_id = traits_orders.profile_id
left join traits_engagement on people.profile_id = traits_engagement.profile_id
left join traits_shopping on people.profile_id = traits_shopping.profile_id
left join traits_account on people.profile_id = traits_account.profile_id
