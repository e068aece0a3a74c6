-- Compiled from traits_of_accounts.yml; ed452bbd4669
with

order_completed as (

    select * from {{ ref('order_completed') }}

),

account_profiles as (

    select * from {{ ref('account_profiles') }}

),

traits_identity as (

    select * from {{ ref('traits_identity') }}

),

order_completed_traits as (

    select
        account_profiles.account_id,
        count(*) as order_count,
        cast(sum(order_completed.total) as decimal(18, 2)) as spent,
        max(order_completed.timestamp) as last_ordered_at
    from order_completed
    inner join account_profiles
        on order_completed.profile_id = account_profiles.profile_id
    where order_completed.timestamp <= {{ build_started_at() }}
    group by account_profiles.account_id

),

order_completed_by_profile_id as (

    select
        account_profiles.account_id,
        order_completed.profile_id,
        count(order_completed.profile_id) as buyer_count_times
    from order_completed
    inner join account_profiles
        on order_completed.profile_id = account_profiles.profile_id
    where order_completed.timestamp <= {{ build_started_at() }}
    group by
        account_profiles.account_id,
        order_completed.profile_id

),

order_completed_by_profile_id_traits as (

    select
        account_id,
        count(case when buyer_count_times > 0 then 1 end) as buyer_count
    from order_completed_by_profile_id
    group by account_id

),

members_traits_identity_by_country as (

    select
        account_profiles.account_id,
        traits_identity.country,
        count(traits_identity.country) as country_times
    from account_profiles
    inner join traits_identity
        on account_profiles.profile_id = traits_identity.profile_id
    group by
        account_profiles.account_id,
        traits_identity.country

),

members_traits_identity_by_country_traits as (

    select
        account_id,
        min_by(
            country,
            case when country_times >= 1 then (-country_times, country) end
        ) as country
    from members_traits_identity_by_country
    group by account_id

),

everybody as (

    select account_id
    from order_completed_traits

    union

    select account_id
    from members_traits_identity_by_country_traits

)

select
    everybody.account_id,
    coalesce(order_completed_traits.order_count, 0) as order_count,
    order_completed_traits.spent,
    coalesce(order_completed_by_profile_id_traits.buyer_count, 0) as buyer_count,
    order_completed_traits.last_ordered_at,
    members_traits_identity_by_country_traits.country
from everybody
left join order_completed_traits
    on everybody.account_id = order_completed_traits.account_id
left join order_completed_by_profile_id_traits
    on everybody.account_id = order_completed_by_profile_id_traits.account_id
left join members_traits_identity_by_country_traits
    on everybody.account_id = members_traits_identity_by_country_traits.account_id
