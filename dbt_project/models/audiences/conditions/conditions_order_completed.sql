-- Compiled from ../*.yml; 690b370fe61f
with

order_completed as (

    select * from {{ ref('order_completed') }}

)

select
    profile_id,
    count(
        case
            when timestamp > {{ days_ago(30) }}
                then 1
        end
    ) as count_in_last_30_days,
    count(
        case
            when timestamp > {{ days_ago(90) }}
                then 1
        end
    ) as count_in_last_90_days,
    sum(total) as sum_of_total
from order_completed
where
    profile_id is not null
    and timestamp <= {{ build_started_at() }}
group by profile_id
