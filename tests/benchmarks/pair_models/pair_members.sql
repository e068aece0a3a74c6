{{ config(materialized='view') }}

select
    clusters.node_id,
    texts.identifier,
    clusters.cluster_id
from {{ ref('pair_clusters') }} as clusters
inner join {{ ref('pair_texts') }} as texts
    on clusters.node_id = texts.node_id
