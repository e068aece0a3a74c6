-- Compiled from quick_deciders.yml; cc6f676b975a
with

profiles as (

    select * from {{ ref('profiles') }}

),

product_viewed as (

    select * from {{ ref('product_viewed') }}

),

product_added as (

    select * from {{ ref('product_added') }}

),

order_completed as (

    select * from {{ ref('order_completed') }}

),

order_refunded as (

    select * from {{ ref('order_refunded') }}

),

funnel_events_2 as (

    select
        profile_id,
        timestamp,
        1 as step
    from product_viewed
    where
        profile_id is not null
        and timestamp > {{ days_ago(60) }}
        and timestamp <= {{ build_started_at() }}

    union all

    select
        profile_id,
        timestamp,
        2 as step
    from product_added
    where
        profile_id is not null
        and timestamp > {{ days_ago(60) }}
        and timestamp <= {{ build_started_at() }}

),

funnel_before_2 as (

    select
        *,
        max(case when step = 1 then timestamp end) over (
            partition by profile_id
            order by timestamp, step desc
            rows between unbounded preceding and 1 preceding
        ) as before_at
    from funnel_events_2

),

funnel_step_2 as (

    select
        profile_id,
        timestamp,
        before_at as started_at
    from funnel_before_2
    where
        step = 2
        and timestamp <= (before_at + interval '1' hour)

),

funnel_events_3 as (

    select
        profile_id,
        timestamp,
        started_at,
        2 as step
    from funnel_step_2

    union all

    select
        profile_id,
        timestamp,
        null as started_at,
        3 as step
    from order_completed
    where
        profile_id is not null
        and timestamp > {{ days_ago(60) }}
        and timestamp <= {{ build_started_at() }}
        and profile_id in (select profile_id from funnel_step_2)

    union all

    select
        profile_id,
        timestamp,
        null as started_at,
        0 as step
    from order_refunded
    where
        profile_id is not null
        and timestamp > {{ days_ago(60) }}
        and timestamp <= {{ build_started_at() }}
        and profile_id in (select profile_id from funnel_step_2)

),

funnel_before_3 as (

    select
        *,
        max(case when step = 2 then timestamp end) over (
            partition by profile_id
            order by timestamp, step desc
            rows between unbounded preceding and 1 preceding
        ) as before_at,
        max(case when step = 2 then started_at end) over (
            partition by profile_id
            order by timestamp, step desc
            rows between unbounded preceding and 1 preceding
        ) as started_before_at,
        max(case when step = 0 then timestamp end) over (
            partition by profile_id
            order by timestamp, step desc
            rows between unbounded preceding and 1 preceding
        ) as last_without_at
    from funnel_events_3

),

funnel as (

    select distinct profile_id
    from funnel_before_3
    where
        step = 3
        and timestamp <= (before_at + interval '1' day)
        and (last_without_at is null or last_without_at <= started_before_at)

)

select profiles.profile_id
from profiles
left join funnel
    on profiles.profile_id = funnel.profile_id
where funnel.profile_id is not null
