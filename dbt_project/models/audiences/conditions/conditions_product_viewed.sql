-- Compiled from ../*.yml; ee6e361f4491
with

product_viewed as (

    select * from {{ ref('product_viewed') }}

)

select
    profile_id,
    count(
        case
            when timestamp > {{ days_ago(30) }}
                then 1
        end
    ) as count_in_last_30_days
from product_viewed
where
    profile_id is not null
    and timestamp > {{ days_ago(30) }}
    and timestamp <= {{ build_started_at() }}
group by profile_id
