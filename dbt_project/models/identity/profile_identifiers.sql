with

identifiers as (

    select * from {{ ref('int_identifiers') }}

),

clusters as (

    select * from {{ ref('int_identity_clusters') }}

),

-- An identifier that no edge touches is a profile of its own.
members as (

    select
        identifiers.*,
        coalesce(clusters.cluster_id, identifiers.identifier_id) as cluster_id
    from identifiers
    left join clusters
        on identifiers.identifier_id = clusters.node_id

),

ranked as (

    select
        cluster_id,
        {{ profile_id('identifier_type', 'identifier_value') }} as profile_id,
        row_number() over (
            partition by cluster_id
            order by first_seen_at, first_message_id, priority, identifier_value
        ) as place
    from members

),

-- A profile is called by its earliest identifier.
profiles as (

    select * from ranked
    where place = 1

)

select
    profiles.profile_id,
    members.identifier_type,
    members.identifier_value,
    members.first_seen_at,
    members.last_seen_at,
    members.identifier_id,
    members.batch_id
from members
inner join profiles
    on members.cluster_id = profiles.cluster_id
-- A profile is looked up by a value: sorted, few rows are read for it.
order by members.identifier_value
