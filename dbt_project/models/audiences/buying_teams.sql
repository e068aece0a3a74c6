-- Compiled from buying_teams.yml; fa891b13c8b0
with

profiles as (

    select * from {{ ref('profiles') }}

),

account_profiles as (

    select * from {{ ref('account_profiles') }}

),

conditions_order_completed as (

    select * from {{ ref('conditions_order_completed') }}

),

account_accounts as (

    select account_profiles.account_id
    from account_profiles
    inner join profiles
        on account_profiles.profile_id = profiles.profile_id
    left join conditions_order_completed
        on profiles.profile_id = conditions_order_completed.profile_id
    group by account_profiles.account_id
    having
        max(
            case when conditions_order_completed.sum_of_total >= 100 then 1 else 0 end
        ) = 1

),

account as (

    select distinct account_profiles.profile_id
    from account_profiles
    inner join account_accounts
        on account_profiles.account_id = account_accounts.account_id

)

select profiles.profile_id
from profiles
left join account
    on profiles.profile_id = account.profile_id
where account.profile_id is not null
