select profile_id
from {{ ref('profiles') }}
where {{ is_in_control_group('profile_id') }}
