select
    {{ event_columns() }},
    {{ property('cart_id') }} as cart_id,
    {{ property('product_id') }} as product_id,
    {{ property('name') }} as name,
    {{ property('price', 'decimal(12, 2)') }} as price,
    {{ property('quantity', 'bigint') }} as quantity,
    {{ property('currency') }} as currency
from {{ ref('events') }}
where event = 'Product Added'
