{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='identifier_id',
        on_schema_change='fail',
        pre_hook=delete_rows_of_other_clusters(),
    )
}}

with

identifiers as {{ computed_anew() }} (

    select * from {{ ref('int_identifiers') }}

),

clusters as {{ computed_anew() }} (

    select * from {{ ref('int_identity_clusters') }}

),

versions as (

    select {{ clusters_version() }} as rules_version
    from clusters

),

{% if is_incremental() %}
    known as {{ computed_anew() }} (

        select * from {{ this }}

    ),

    seen as (

        select coalesce(max(batch_id), 0) as batch_id
        from known

    ),

    new_identifiers as {{ computed_once() }} (

        select identifier_id
        from identifiers
        where batch_id > (select batch_id from seen)

    ),

    changed as (

        select
            new_identifiers.identifier_id as node_id,
            clusters.cluster_id
        from new_identifiers
        left join clusters
            on new_identifiers.identifier_id = clusters.node_id

    ),

    -- A new member can give all the others another name.
    touched as (

        select cluster_id
        from clusters
        where batch_id > (select batch_id from seen)
        union
        select cluster_id
        from changed
        where cluster_id is not null

    ),

    nodes as (

        select
            node_id,
            cluster_id
        from clusters
        where cluster_id in (select cluster_id from touched)
        union all
        select
            node_id,
            node_id as cluster_id
        from changed
        where cluster_id is null

    ),

    members as {{ computed_once() }} (

        select
            identifiers.*,
            nodes.cluster_id
        from identifiers
        inner join nodes
            on identifiers.identifier_id = nodes.node_id

    ),
{% else %}
    -- An identifier that no edge touches is a profile of its own.
    members as {{ computed_once() }} (

        select
            identifiers.*,
            coalesce(clusters.cluster_id, identifiers.identifier_id) as cluster_id
        from identifiers
        left join clusters
            on identifiers.identifier_id = clusters.node_id

    ),
{% endif %}

ages as (

    select
        cluster_id,
        min(first_seen_at) as first_seen_at
    from members
    group by cluster_id

),

-- Several may be equally old: those of one event, or of one batch.
oldest as (

    select
        members.cluster_id,
        {{ profile_id('members.identifier_type', 'members.identifier_value') }}
            as profile_id,
        row_number() over (
            partition by members.cluster_id
            order by
                members.first_message_id,
                members.priority,
                members.identifier_value
        ) as place
    from members
    inner join ages
        on
            members.cluster_id = ages.cluster_id
            and members.first_seen_at = ages.first_seen_at

),

-- A profile is called by its earliest identifier.
profiles as (

    select * from oldest
    where place = 1

)

select
    profiles.profile_id,
    members.identifier_type,
    members.identifier_value,
    members.first_seen_at,
    members.last_seen_at,
    members.identifier_id,
    {{ batch_of_build() }} as batch_id,
    versions.rules_version
from members
inner join profiles
    on members.cluster_id = profiles.cluster_id
cross join versions
{% if is_incremental() %}
    -- Most members of a profile that was touched are what they were.
    left join known
        on members.identifier_id = known.identifier_id
    where
        known.identifier_id is null
        or known.profile_id <> profiles.profile_id
        or members.batch_id > (select batch_id from seen)
{% endif %}
