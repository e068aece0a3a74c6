{{ config(materialized='by_profile') }}

with

events as (

    select * from {{ ref('events') }}

),

profile_identifiers as (

    select * from {{ ref('profile_identifiers') }}

),

products_viewed as (

    select * from {{ ref('product_viewed') }}

),

products_added as (

    select * from {{ ref('product_added') }}

),

pages_viewed as (

    select * from {{ ref('page_viewed') }}

),

activity as (

    select
        profile_id,
        count(*) as event_count,
        max(timestamp) as last_active_at
    from events
    where profile_id is not null
    group by profile_id

),

devices as (

    select
        profile_id,
        count(*) as device_count
    from profile_identifiers
    where identifier_type = 'anonymous_id'
    group by profile_id

),

page_views as (

    select
        profile_id,
        count(*) as page_view_count
    from pages_viewed
    group by profile_id

),

product_views as (

    select
        profile_id,
        count(*) as product_view_count
    from products_viewed
    group by profile_id

),

category_views as (

    select
        profile_id,
        category,
        row_number() over (
            partition by profile_id order by count(*) desc, category
        ) as popularity
    from products_viewed
    where category is not null
    group by profile_id, category

),

additions as (

    select
        profile_id,
        max(timestamp) as last_product_added_at
    from products_added
    group by profile_id

)

select
    activity.profile_id,
    activity.event_count,
    activity.last_active_at,
    coalesce(devices.device_count, 0) as device_count,
    coalesce(page_views.page_view_count, 0) as page_view_count,
    coalesce(product_views.product_view_count, 0) as product_view_count,
    category_views.category as favourite_category,
    additions.last_product_added_at
from activity
left join devices on activity.profile_id = devices.profile_id
left join page_views on activity.profile_id = page_views.profile_id
left join product_views on activity.profile_id = product_views.profile_id
left join category_views
    on
        activity.profile_id = category_views.profile_id
        and category_views.popularity = 1
left join additions on activity.profile_id = additions.profile_id
