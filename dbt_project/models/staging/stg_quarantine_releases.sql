with

source as (

    select * from {{ read_raw(source('raw', 'quarantine_releases')) }}

)

select
    release_id,
    released_at,
    released_by,
    reason,
    code,
    event,
    source_id,
    since,
    ids
from source
