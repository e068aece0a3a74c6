{{ config(materialized='view') }}

with

memberships as (

    select * from {{ ref('audience_memberships') }}

),

hashed as (

    select
        audience,
        cast({{ bigint_hash('audience') }} as decimal(38, 0)) as audience_hash
    from memberships
    group by audience

),

-- People who are in the very same audiences are compared once, by one of them: pairs of
-- audiences per person would be very many. A sum of hashes tells combinations apart.
combinations as (

    select
        memberships.profile_id,
        sum(hashed.audience_hash) as combination,
        count(*) as audience_count
    from memberships
    inner join hashed on memberships.audience = hashed.audience
    group by memberships.profile_id

),

alike as (

    select
        min(profile_id) as profile_id,
        count(*) as profile_count
    from combinations
    group by combination, audience_count

),

counted as {{ computed_once() }} (

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
