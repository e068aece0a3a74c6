with

profile_identifiers as (

    select * from {{ ref('profile_identifiers') }}

),

clusters as (

    select * from {{ ref('int_identity_clusters') }}

),

profile_count as (

    select count(distinct profile_id) as total
    from profile_identifiers

),

-- Without an edge, an identifier is not in the graph.
identifiers as (

    select
        profile_identifiers.identifier_type,
        profile_identifiers.profile_id,
        case when clusters.node_id is null then 1 else 0 end as is_unconnected
    from profile_identifiers
    left join clusters
        on profile_identifiers.identifier_id = clusters.node_id

),

per_profile as (

    select
        identifier_type,
        profile_id,
        count(*) as identifier_count,
        sum(is_unconnected) as unconnected_count
    from identifiers
    group by identifier_type, profile_id
    union all
    select
        'all types' as identifier_type,
        profile_id,
        count(*) as identifier_count,
        sum(is_unconnected) as unconnected_count
    from identifiers
    group by profile_id

)

select
    per_profile.identifier_type,
    cast(sum(per_profile.identifier_count) as bigint) as identifier_count,
    cast(sum(per_profile.unconnected_count) as bigint) as unconnected_count,
    count(*) as profile_count,
    cast(count(*) as double) / max(profile_count.total) as profile_share,
    cast(
        percentile_disc(0.5) within group (order by per_profile.identifier_count)
        as bigint
    ) as p50_per_profile,
    cast(
        percentile_disc(0.9) within group (order by per_profile.identifier_count)
        as bigint
    ) as p90_per_profile,
    cast(
        percentile_disc(0.99) within group (order by per_profile.identifier_count)
        as bigint
    ) as p99_per_profile,
    max(per_profile.identifier_count) as most_per_profile,
    avg(per_profile.identifier_count) as average_per_profile
from per_profile
cross join profile_count
group by per_profile.identifier_type
