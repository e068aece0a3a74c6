with

source as (

    select * from {{ read_raw(source('raw', 'quarantine')) }}

)

select
    segment,
    position,
    source_id,
    request_id,
    code,
    detail,
    path,
    payload,
    payload_sha256,
    replayable,
    received_at,
    dt
from source
