{{ config(materialized='view') }}

with

memberships as (

    select * from {{ ref('audience_memberships') }}

),

-- People who are in the very same audiences are compared once, by one of them: pairs of
-- audiences per person would be very many.
combinations as (

    select
        profile_id,
        {{ joined_texts(collected_texts('audience')) }} as audiences
    from memberships
    group by profile_id

),

alike as (

    select
        min(profile_id) as profile_id,
        count(*) as profile_count
    from combinations
    group by audiences

),

counted as (

    select
        memberships.audience,
        memberships.profile_id,
        alike.profile_count
    from alike
    inner join memberships on alike.profile_id = memberships.profile_id

),

sizes as (

    select
        audience,
        sum(profile_count) as member_count
    from counted
    group by audience

),

pairs as (

    select
        counted.audience,
        beside.audience as other_audience,
        sum(counted.profile_count) as shared_count
    from counted
    inner join counted as beside
        on
            counted.profile_id = beside.profile_id
            and counted.audience <> beside.audience
    group by counted.audience, beside.audience

)

select
    pairs.audience,
    pairs.other_audience,
    cast(pairs.shared_count as bigint) as shared_count,
    cast(pairs.shared_count as double) / sizes.member_count as shared_share
from pairs
inner join sizes on pairs.audience = sizes.audience
