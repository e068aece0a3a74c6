select memberships.*
from {{ ref('audience_memberships') }} as memberships
left join {{ ref('profiles') }} as profiles
    on memberships.profile_id = profiles.profile_id
where profiles.profile_id is null
