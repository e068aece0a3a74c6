{%- set limits = identifier_limits() -%}

with

edges as (

    select * from {{ ref('int_identity_edges') }}

),

clusters as (

    select * from {{ ref('int_identity_clusters') }}

),

identifiers as (

    select * from {{ ref('int_identifiers') }}

),

dropped as (

    select
        edges.edge_id,
        edges.left_id,
        edges.right_id,
        edges.received_at,
        edges.message_id,
        left_clusters.cluster_id as left_cluster_id,
        right_clusters.cluster_id as right_cluster_id
    from edges
    inner join clusters as left_clusters
        on edges.left_id = left_clusters.node_id
    inner join clusters as right_clusters
        on
            edges.right_id = right_clusters.node_id
            and left_clusters.cluster_id <> right_clusters.cluster_id

),

sides as (

    select
        edge_id,
        left_cluster_id as cluster_id
    from dropped
    union all
    select
        edge_id,
        right_cluster_id as cluster_id
    from dropped

),

counted as (

    select
        clusters.cluster_id,
        identifiers.priority,
        identifiers.identifier_type as node_type,
        count(*) as identifier_count
    from clusters
    inner join identifiers
        on clusters.node_id = identifiers.node_id
    where clusters.cluster_id in (select cluster_id from sides)
    group by
        clusters.cluster_id,
        identifiers.priority,
        identifiers.identifier_type

),

-- Every limit that one profile made of both would break.
broken as (

    select
        sides.edge_id,
        counted.node_type,
        {{ limit_of_type(limits) }} as type_limit,
        row_number() over (
            partition by sides.edge_id order by counted.priority
        ) as place
    from sides
    inner join counted
        on sides.cluster_id = counted.cluster_id
    group by
        sides.edge_id,
        counted.priority,
        counted.node_type
    having sum(counted.identifier_count) > {{ limit_of_type(limits) }}

),

-- The strongest type tells the reason.
reasons as (

    select
        edge_id,
        'one profile may hold ' || cast(type_limit as {{ dbt.type_string() }})
        || ' ' || node_type as reason
    from broken
    where place = 1

)

select
    {{ profile_id('left_anchors.identifier_type', 'left_anchors.identifier_value') }}
        as profile_id,
    left_ends.identifier_type,
    left_ends.identifier_value,
    {{ profile_id('right_anchors.identifier_type', 'right_anchors.identifier_value') }}
        as other_profile_id,
    right_ends.identifier_type as other_identifier_type,
    right_ends.identifier_value as other_identifier_value,
    reasons.reason,
    dropped.received_at,
    dropped.message_id
from dropped
left join reasons
    on dropped.edge_id = reasons.edge_id
inner join identifiers as left_ends
    on dropped.left_id = left_ends.node_id
inner join identifiers as right_ends
    on dropped.right_id = right_ends.node_id
inner join identifiers as left_anchors
    on dropped.left_cluster_id = left_anchors.node_id
inner join identifiers as right_anchors
    on dropped.right_cluster_id = right_anchors.node_id
