with

account_events as (

    select * from {{ ref('account_events') }}

),

account_profiles as (

    select * from {{ ref('account_profiles') }}

),

events as (

    select * from {{ ref('events') }}

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

-- The traits of a group call are those of the account, whoever made the call.
told as (

    select
        account_events.account_id,
        nullif({{ trimmed(json_text('events.traits', 'name')) }}, '') as account_name,
        nullif({{ trimmed(json_text('events.traits', 'plan')) }}, '') as account_plan,
        row_number() over (
            partition by account_events.account_id
            order by
                events.timestamp,
                events.received_at,
                events.source_id,
                events.message_id
        ) as recency
    from account_events
    inner join events
        on
            account_events.source_id = events.source_id
            and account_events.message_id = events.message_id
    where account_events.type = 'group'

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
