{{ config(materialized='view') }}

with

audiences as (

    select * from {{ audience_rows() }} as audiences

),

changes as (

    select * from {{ ref('audience_changes') }}

),

builds as (

    select
        audience,
        changes.at,
        count(case when change = 'entered' then 1 end) as entered,
        count(case when change = 'exited' then 1 end) as exited
    from changes
    group by audience, changes.at

),

sized as (

    select
        audience,
        builds.at,
        entered,
        exited,
        sum(entered - exited) over (
            partition by audience
            order by builds.at
            rows between unbounded preceding and current row
        ) as member_count,
        row_number() over (partition by audience order by builds.at desc) as recency
    from builds

)

select
    audiences.audience,
    sized.at,
    cast(coalesce(sized.member_count, 0) as bigint) as member_count,
    coalesce(sized.entered, 0) as entered,
    coalesce(sized.exited, 0) as exited,
    coalesce(sized.recency, 1) = 1 as is_current
from audiences
left join sized on audiences.audience = sized.audience
