{{ config(materialized='view') }}

with

audiences as (

    select * from {{ audience_rows() }} as audiences

),

identifier_types as (

    select * from {{ identifier_type_rows() }} as identifier_types

),

memberships as (

    select * from {{ ref('audience_memberships') }}

),

profile_identifiers as (

    select * from {{ ref('profile_identifiers') }}

),

-- Several addresses of one person count once.
holders as (

    select distinct
        profile_id,
        identifier_type
    from profile_identifiers

),

sizes as (

    select
        audience,
        count(*) as member_count
    from memberships
    group by audience

),

covered as (

    select
        memberships.audience,
        holders.identifier_type,
        count(*) as covered_count
    from memberships
    inner join holders on memberships.profile_id = holders.profile_id
    group by memberships.audience, holders.identifier_type

)

select
    audiences.audience,
    identifier_types.identifier_type,
    coalesce(sizes.member_count, 0) as member_count,
    coalesce(covered.covered_count, 0) as covered_count,
    cast(coalesce(covered.covered_count, 0) as double)
    / sizes.member_count as covered_share
from audiences
cross join identifier_types
left join sizes on audiences.audience = sizes.audience
left join covered
    on
        audiences.audience = covered.audience
        and identifier_types.identifier_type = covered.identifier_type
