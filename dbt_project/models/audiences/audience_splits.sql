with

memberships as (

    select * from {{ ref('audience_memberships') }}

),

split_groups as (

    select * from {{ split_groups() }} as split_groups

),

salts as (

    select distinct
        audience,
        salt
    from split_groups

),

placed as (

    select
        memberships.audience,
        memberships.profile_id,
        {{ place_in_million('salts.salt', 'memberships.profile_id') }} as place
    from memberships
    inner join salts on memberships.audience = salts.audience

)

select
    placed.audience,
    placed.profile_id,
    split_groups.split,
    split_groups.split = 'holdout' as is_holdout
from placed
inner join split_groups
    on
        placed.audience = split_groups.audience
        and placed.place >= split_groups.from_place
        and placed.place < split_groups.to_place
