{{ config(materialized='merges') }}

with

edges as (

    select * from {{ ref('int_identity_edges') }}

),

clusters as (

    select * from {{ ref('int_identity_clusters') }}

),

-- An edge between two clusters was dropped.
kept as (

    select
        edges.edge_id,
        edges.left_id,
        edges.right_id
    from edges
    inner join clusters as left_clusters
        on edges.left_id = left_clusters.node_id
    inner join clusters as right_clusters
        on
            edges.right_id = right_clusters.node_id
            and left_clusters.cluster_id = right_clusters.cluster_id

)

select
    edge_id,
    left_id,
    right_id
from kept
