with

identifiers as (

    select * from {{ ref('int_identifiers') }}

),

clusters as (

    select * from {{ ref('int_identity_clusters') }}

),

-- An identifier that no edge touches is a profile of its own.
clustered as (

    select
        identifiers.*,
        coalesce(clusters.cluster_id, identifiers.node_id) as cluster_id
    from identifiers
    left join clusters
        on identifiers.node_id = clusters.node_id

),

-- Node ids follow age, so a cluster is called by its earliest identifier.
profiles as (

    select
        cluster_id,
        {{ profile_id('identifier_type', 'identifier_value') }} as profile_id
    from clustered
    where node_id = cluster_id

)

select
    profiles.profile_id,
    clustered.identifier_type,
    clustered.identifier_value,
    clustered.first_seen_at,
    clustered.last_seen_at,
    clustered.identifier_id
from clustered
inner join profiles
    on clustered.cluster_id = profiles.cluster_id
-- A profile is looked up by a value: sorted, few rows are read for it.
order by clustered.identifier_value
