with

account_events as (

    select * from {{ ref('account_events') }}

),

account_profiles as (

    select * from {{ ref('account_profiles') }}

),

traits_of_accounts as (

    select * from {{ ref('traits_of_accounts') }}

),

seen as (

    select
        account_id,
        min(received_at) as first_seen_at,
        max(received_at) as last_seen_at,
        count(*) as event_count
    from account_events
    group by account_id

),

told as (

    select
        account_id,
        account_name,
        account_plan,
        row_number() over (
            partition by account_id
            order by timestamp, received_at, source_id, message_id
        ) as recency
    from account_events
    where type = 'group'

),

latest as (

    select
        account_id,
        {{ most_recent('account_name', 'recency') }} as account_name,
        {{ most_recent('account_plan', 'recency') }} as account_plan
    from told
    group by account_id

),

people as (

    select
        account_id,
        count(*) as profile_count
    from account_profiles
    group by account_id

)

select
    seen.account_id,
    latest.account_name,
    latest.account_plan,
    seen.first_seen_at,
    seen.last_seen_at,
    seen.event_count,
    coalesce(people.profile_count, 0) as profile_count,
    coalesce(traits_of_accounts.order_count, 0) as order_count,
    coalesce(traits_of_accounts.spent, 0) as spent,
    coalesce(traits_of_accounts.buyer_count, 0) as buyer_count,
    traits_of_accounts.last_ordered_at,
    traits_of_accounts.country
from seen
left join latest on seen.account_id = latest.account_id
left join people on seen.account_id = people.account_id
left join traits_of_accounts on seen.account_id = traits_of_accounts.account_id
