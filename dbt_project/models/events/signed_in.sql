select
    {{ event_columns() }},
    {{ property('method') }} as method
from {{ ref('events') }}
where event = 'Signed In'
