with

profile_identifiers as (

    select * from {{ ref('profile_identifiers') }}

),

profile_count as (

    select count(distinct profile_id) as total
    from profile_identifiers

),

per_profile as (

    select
        identifier_type,
        profile_id,
        count(*) as identifier_count
    from profile_identifiers
    group by identifier_type, profile_id

)

select
    per_profile.identifier_type,
    cast(sum(per_profile.identifier_count) as bigint) as identifier_count,
    count(*) as profile_count,
    cast(count(*) as double) / max(profile_count.total) as profile_share,
    max(per_profile.identifier_count) as most_per_profile,
    avg(per_profile.identifier_count) as average_per_profile
from per_profile
cross join profile_count
group by per_profile.identifier_type
