with

events as (

    select * from {{ ref('events') }}

),

group_calls as (

    select
        profile_id,
        group_id,
        row_number() over (
            partition by profile_id
            order by timestamp desc, received_at desc, source_id, message_id
        ) as age
    from events
    where type = 'group' and profile_id is not null and group_id is not null

),

-- What is known of an account, whoever said it.
account_traits as (

    select
        group_id,
        nullif(trim({{ json_text('traits', 'name') }}), '') as account_name,
        nullif(trim({{ json_text('traits', 'plan') }}), '') as account_plan,
        row_number() over (
            partition by group_id order by timestamp, received_at, source_id, message_id
        ) as recency
    from events
    where type = 'group' and group_id is not null

),

accounts as (

    select
        group_id,
        {{ most_recent('account_name', 'recency') }} as account_name,
        {{ most_recent('account_plan', 'recency') }} as account_plan
    from account_traits
    group by group_id

)

select
    group_calls.profile_id,
    group_calls.group_id,
    accounts.account_name,
    accounts.account_plan
from group_calls
inner join accounts on group_calls.group_id = accounts.group_id
where group_calls.age = 1
