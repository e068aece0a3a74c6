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
        edges.*,
        left_clusters.cluster_id
    from edges
    inner join clusters as left_clusters
        on edges.left_id = left_clusters.node_id
    inner join clusters as right_clusters
        on
            edges.right_id = right_clusters.node_id
            and left_clusters.cluster_id = right_clusters.cluster_id

),

-- Identifiers that were never a profile: the event that first showed them linked them
-- to a stronger identifier, or to one that was there before.
attached as (

    select
        cluster_id,
        right_id as node_id
    from kept
    where is_right_new
    union
    select
        cluster_id,
        left_id as node_id
    from kept
    where is_left_new and not is_right_new

),

founders as (

    select
        cluster_id,
        count(*) as founder_count
    from clusters
    group by cluster_id
    union all
    select
        cluster_id,
        -count(*) as founder_count
    from attached
    group by cluster_id

),

-- Most profiles have one founder and only ever grew, without a merge.
merged_clusters as (

    select cluster_id
    from founders
    group by cluster_id
    having sum(founder_count) > 1

)

select
    edge_id,
    left_id,
    right_id
from kept
where cluster_id in (select cluster_id from merged_clusters)
