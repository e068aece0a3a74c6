select profile_id
from {{ ref('profiles') }}
where last_seen_at > {{ days_ago(30) }}
