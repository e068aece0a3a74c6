with

source as (

    select * from {{ read_raw(source('raw', 'sync_requests')) }}

)

select
    request_id,
    sync,
    source.at,
    request,
    run_id,
    key,
    rejected,
    inserts,
    updates,
    deletes,
    reason,
    requested_by,
    dt
from source
