{{ config(materialized='view') }}

with

changes as (

    select * from {{ ref('trait_changes') }}

),

periods as (

    select
        changes.profile_id,
        changes.trait,
        changes.value,
        changes.at as valid_from,
        lead(changes.at) over (
            partition by changes.profile_id, changes.trait order by changes.at
        ) as valid_to
    from changes

)

select
    profile_id,
    trait,
    value,
    valid_from,
    valid_to
from periods
where value is not null
