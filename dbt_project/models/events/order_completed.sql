select
    {{ event_columns() }},
    {{ property('order_id') }} as order_id,
    {{ property('total', 'decimal(12, 2)') }} as total,
    {{ property('currency') }} as currency,
    {{ property('coupon') }} as coupon,
    {{ property('products', 'json') }} as products
from {{ ref('events') }}
where event = 'Order Completed'
