-- The same traits and audiences as someone writes them who knows DuckDB and has nothing
-- else in mind: the limit that the models are held against. $now is the build's moment.
create or replace table traits_by_hand as
select *
from (
    select
        profile_id,
        count(*) as order_count,
        sum(total) as total_spent,
        avg(total) as average_order,
        max(total) as largest_order,
        count(*) filter (timestamp > timestamptz '$now' - interval 30 days) as orders_in_30_days,
        arg_max(coupon, timestamp) filter (coupon is not null) as last_coupon,
        arg_min(currency, timestamp) as first_currency
    from events.order_completed
    where profile_id is not null
    group by all
) as orders
full join (
    select
        profile_id,
        list_sort(list_distinct(list(category))) as categories,
        count(distinct product_id) as product_count
    from events.product_viewed
    where profile_id is not null
    group by all
) as views using (profile_id)
left join (
    select profile_id, category as favourite_category
    from (
        select profile_id, category, count(*) as views
        from events.product_viewed
        where profile_id is not null and category is not null
        group by all
    )
    where views >= 2
    qualify row_number() over (partition by profile_id order by views desc, category) = 1
) as favourites using (profile_id);

create or replace table audiences_by_hand as
with orders as (
    select
        profile_id,
        count(*) as orders,
        count(*) filter (timestamp > timestamptz '$now' - interval 30 days) as orders_30,
        count(*) filter (timestamp > timestamptz '$now' - interval 60 days) as orders_60,
        count(*) filter (timestamp > timestamptz '$now' - interval 3 days) as orders_3,
        count(*) filter (
            timestamp > timestamptz '$now' - interval 60 days
            and timestamp <= timestamptz '$now' - interval 30 days
        ) as orders_60_30,
        sum(total) filter (timestamp > timestamptz '$now' - interval 90 days) as spent_90,
        avg(total) as average_total,
        max(total) as largest,
        bool_or(coupon is not null) as has_coupon,
        bool_or(total >= 200 and timestamp > timestamptz '$now' - interval 60 days) as large_60
    from events.order_completed
    group by all
),
views as (
    select
        profile_id,
        count(*) as views,
        count(*) filter (timestamp > timestamptz '$now' - interval 7 days) as views_7,
        count(*) filter (timestamp > timestamptz '$now' - interval 24 hours) as views_1
    from events.product_viewed
    group by all
),
adds as (
    select distinct profile_id from events.product_added
    where timestamp > timestamptz '$now' - interval 3 days
),
refunds as (
    select distinct profile_id from events.order_refunded
),
sale as (
    select distinct profile_id from events.page_viewed
    where starts_with(path, '/sale') and timestamp > timestamptz '$now' - interval 14 days
),
quick as (
    select distinct o.profile_id
    from events.order_completed as o
    asof join events.product_viewed as v
        on o.profile_id = v.profile_id and o.timestamp > v.timestamp
    where o.timestamp <= v.timestamp + interval 1 day
),
added as (
    select a.profile_id, a.timestamp, v.timestamp as viewed_at
    from events.product_added as a
    asof join events.product_viewed as v
        on a.profile_id = v.profile_id and a.timestamp > v.timestamp
    where a.timestamp <= v.timestamp + interval 2 hours
),
decided as (
    select distinct o.profile_id
    from events.order_completed as o
    asof join added as a on o.profile_id = a.profile_id and o.timestamp > a.timestamp
    where
        o.timestamp <= a.timestamp + interval 2 hours
        and not exists (
            select 1 from events.order_refunded as r
            where
                r.profile_id = o.profile_id
                and r.timestamp > a.viewed_at and r.timestamp < o.timestamp
        )
),
people as (
    select
        p.profile_id, p.email, p.country,
        coalesce(orders, 0) as orders, coalesce(orders_30, 0) as orders_30,
        coalesce(orders_60, 0) as orders_60, coalesce(orders_3, 0) as orders_3,
        coalesce(orders_60_30, 0) as orders_60_30,
        spent_90, average_total, largest,
        coalesce(has_coupon, false) as has_coupon, coalesce(large_60, false) as large_60,
        coalesce(views, 0) as views, coalesce(views_7, 0) as views_7,
        coalesce(views_1, 0) as views_1,
        t.total_spent, t.favourite_category, t.orders_in_30_days
    from profiles.profiles as p
    left join orders using (profile_id)
    left join views using (profile_id)
    left join traits_by_hand as t using (profile_id)
)
select 'keen_buyers' as audience, profile_id from people where orders_30 >= 2 and views_7 = 0
union all select 'window_shoppers', profile_id from people where views_7 >= 5 and orders_30 = 0
union all select 'abandoned_carts', profile_id from people semi join adds using (profile_id) where orders_3 = 0
union all select 'big_spenders', profile_id from people where spent_90 >= 500
union all select 'dear_orders', profile_id from people where average_total >= 100
union all select 'quick_deciders', profile_id from people semi join quick using (profile_id)
union all select 'decided_for_good', profile_id from people semi join decided using (profile_id)
union all select 'buyers_in_britain_and_ireland', profile_id from people where country in ('GB', 'IE') and orders > 0
union all select 'well_spent', profile_id from people where total_spent >= 300
union all select 'lovers_of_shoes', profile_id from people where favourite_category = 'shoes'
union all select 'coupon_users', profile_id from people where has_coupon
union all select 'large_lately', profile_id from people where large_60
union all select 'refunded', profile_id from people semi join refunds using (profile_id)
union all select 'lookers', profile_id from people where views >= 3 and orders = 0
union all select 'lapsed', profile_id from people where orders_60_30 > 0 and orders_30 = 0
union all select 'content_big_spenders', profile_id from people anti join refunds using (profile_id) where spent_90 >= 500
union all select 'viewed_twice_today', profile_id from people where views_1 >= 2
union all select 'reachable_and_away', profile_id from people where email is not null and orders_60 = 0
union all select 'sale_visitors', profile_id from people semi join sale using (profile_id)
union all select 'once_large', profile_id from people where largest >= 245 or orders_in_30_days >= 4;
