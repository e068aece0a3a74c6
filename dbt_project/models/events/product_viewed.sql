select
    {{ event_columns() }},
    {{ property('product_id') }} as product_id,
    {{ property('name') }} as name,
    {{ property('category') }} as category,
    {{ property('price', 'decimal(12, 2)') }} as price,
    {{ property('currency') }} as currency
from {{ ref('events') }}
where event = 'Product Viewed'
