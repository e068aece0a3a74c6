select
    {{ event_columns() }},
    name as page_name,
    category,
    {{ property('path') }} as path,
    {{ property('url') }} as url,
    {{ property('title') }} as title,
    {{ property('referrer') }} as referrer,
    {{ property('search') }} as search
from {{ ref('events') }}
where type = 'page'
