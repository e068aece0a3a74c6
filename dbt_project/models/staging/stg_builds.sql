with

source as (

    select * from {{ read_raw(source('raw', 'builds')) }}

)

select
    build_id,
    started_at,
    target,
    node,
    kind,
    name,
    status,
    seconds,
    dt
from source
where started_at > {{ days_ago(90) }}
