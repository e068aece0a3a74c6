select event_profiles.*
from {{ ref('event_profiles') }} as event_profiles
left join {{ ref('profiles') }} as profiles
    on event_profiles.profile_id = profiles.profile_id
where profiles.profile_id is null
