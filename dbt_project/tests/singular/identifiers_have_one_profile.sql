select
    identifier_type,
    identifier_value,
    count(distinct profile_id) as profile_count
from {{ ref('profile_identifiers') }}
group by identifier_type, identifier_value
having count(distinct profile_id) > 1
