select profile_id
from {{ ref('profiles') }}
where
    last_product_added_at is not null
    and (last_ordered_at is null or last_ordered_at < last_product_added_at)
