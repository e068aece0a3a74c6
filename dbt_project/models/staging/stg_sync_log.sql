with

source as (

    select * from {{ read_raw(source('raw', 'sync_log')) }}

)

select
    sync,
    run_id,
    key,
    operation,
    outcome,
    fingerprint,
    destination,
    action,
    code,
    message,
    destination_ref,
    attempts,
    request_ms,
    source.at,
    dt
from source
