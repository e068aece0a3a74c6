with

orders_completed as (

    select * from {{ ref('order_completed') }}

),

orders_refunded as (

    select * from {{ ref('order_refunded') }}

),

-- Shops report an order more than once (page and server, reloads): the first counts.
ranked_orders as (

    select
        *,
        row_number() over (
            partition by order_id order by timestamp, received_at, source_id, message_id
        ) as report
    from orders_completed
    where profile_id is not null

),

refunds as (

    select
        order_id,
        count(*) as refund_count,
        sum(total) as refunded
    from orders_refunded
    group by order_id

),

orders as (

    select
        ranked_orders.profile_id,
        ranked_orders.order_id,
        ranked_orders.timestamp as ordered_at,
        ranked_orders.total - coalesce(refunds.refunded, 0) as net_total,
        coalesce(refunds.refund_count, 0) as refund_count,
        row_number() over (
            partition by ranked_orders.profile_id
            order by ranked_orders.timestamp, ranked_orders.order_id
        ) as recency
    from ranked_orders
    left join refunds on ranked_orders.order_id = refunds.order_id
    where ranked_orders.report = 1

)

select
    profile_id,
    count(*) as order_count,
    cast(sum(net_total) as decimal(18, 2)) as lifetime_value,
    cast(avg(net_total) as decimal(18, 2)) as average_order_value,
    cast(sum(refund_count) as bigint) as refund_count,
    min(ordered_at) as first_ordered_at,
    max(ordered_at) as last_ordered_at,
    {{ most_recent('order_id', 'recency') }} as last_order_id
from orders
group by profile_id
