select
    {{ event_columns() }},
    {{ property('order_id') }} as order_id,
    {{ property('total', 'decimal(12, 2)') }} as total,
    {{ property('currency') }} as currency,
    {{ property('reason') }} as reason
from {{ ref('events') }}
where event = 'Order Refunded'
