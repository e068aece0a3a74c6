{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='node_id',
    )
}}

with

clusters as (

    select * from {{ ref('pair_clusters') }}
    {% if is_incremental() %}
        where batch_id > (select max(batch_id) from {{ this }})
    {% endif %}

)

select
    clusters.node_id,
    nodes.identifier,
    clusters.cluster_id,
    clusters.batch_id
from clusters
inner join {{ ref('pair_nodes') }} as nodes
    on clusters.node_id = nodes.node_id
