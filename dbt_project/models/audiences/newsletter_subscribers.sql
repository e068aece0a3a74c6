select profile_id
from {{ ref('profiles') }}
where
    has_marketing_consent
    and email is not null
