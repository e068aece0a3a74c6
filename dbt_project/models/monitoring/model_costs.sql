with

builds as (

    select * from {{ ref('stg_builds') }}

),

ranked as (

    select
        *,
        row_number() over (
            partition by name, target
            order by started_at desc, build_id
        ) as recency
    from builds
    where kind = 'model'

)

select
    name as model,
    target,
    count(*) as build_count,
    sum(seconds) as total_seconds,
    avg(seconds) as average_seconds,
    max(case when recency = 1 then seconds end) as last_seconds,
    max(started_at) as last_built_at
from ranked
group by name, target
