select profile_id
from {{ ref('profiles') }}
where
    lifetime_value >= 500
    and last_ordered_at > {{ days_ago(90) }}
