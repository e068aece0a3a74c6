with

memberships as (

    select * from {{ ref('audience_memberships') }}

),

placements as (

    select * from {{ ref('audience_placements') }}

),

split_groups as (

    select * from {{ split_groups() }} as split_groups

),

salts as (

    select distinct
        audience,
        salt,
        is_stratified
    from split_groups

),

placed as (

    select
        memberships.audience,
        memberships.profile_id,
        placements.stratum,
        case
            when salts.is_stratified
                then {{ place_of_turn('salts.salt', 'stratum', 'turn') }}
            else {{ place_in_million('salts.salt', 'memberships.profile_id') }}
        end as place
    from memberships
    inner join salts on memberships.audience = salts.audience
    left join placements
        on
            salts.is_stratified
            and memberships.audience = placements.audience
            and memberships.profile_id = placements.profile_id
            and salts.salt = placements.salt

)

-- Who is not placed yet, because the audience was built before its yml named strata, is
-- held out until the next build places them.
select
    placed.audience,
    placed.profile_id,
    placed.stratum,
    split_groups.split,
    coalesce(split_groups.split = 'holdout', true) as is_holdout
from placed
left join split_groups
    on
        placed.audience = split_groups.audience
        and placed.place >= split_groups.from_place
        and placed.place < split_groups.to_place
