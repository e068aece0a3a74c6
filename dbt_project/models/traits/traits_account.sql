with

account_events as (

    select * from {{ ref('account_events') }}

),

accounts as (

    select * from {{ ref('accounts') }}

),

group_calls as (

    select
        profile_id,
        account_id,
        row_number() over (
            partition by profile_id
            order by timestamp desc, received_at desc, source_id, message_id
        ) as age
    from account_events
    where type = 'group' and profile_id is not null

)

select
    group_calls.profile_id,
    group_calls.account_id as group_id,
    accounts.account_name,
    accounts.account_plan
from group_calls
inner join accounts on group_calls.account_id = accounts.account_id
where group_calls.age = 1
