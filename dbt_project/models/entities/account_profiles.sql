with

account_events as (

    select * from {{ ref('account_events') }}

)

select
    account_id,
    profile_id,
    min(received_at) as first_seen_at,
    max(received_at) as last_seen_at,
    count(*) as event_count,
    sum(case when type = 'group' then 1 else 0 end) as group_call_count
from account_events
where profile_id is not null
group by
    account_id,
    profile_id
