select
    {{ event_columns() }},
    {{ property('name') }} as name
from {{ ref('events') }}
where event = '$title'
