{{
    config(
        materialized='incremental',
        incremental_strategy='merge',
        unique_key='node_id',
        merge_update_columns=['cluster_id', 'batch_id'],
    )
}}

with

pairs as (

    select * from {{ source('crm', 'pairs') }}
    {% if is_incremental() %}
        where pair_id > (select max(batch_id) from {{ this }})
    {% endif %}

),

accounts as (

    select distinct account from pairs

),

devices as (

    select distinct device from pairs

),

identifiers as (

    select 'account:' || account as identifier
    from accounts
    union all
    select 'device:' || device as identifier
    from devices

),

nodes as (

    select
        {{ bigint_hash('identifier') }} as node_id,
        identifier
    from identifiers

),

clusters as (

    select * from {{ ref('pair_clusters') }}
    {% if is_incremental() %}
        where batch_id > (select max(batch_id) from {{ this }})
    {% endif %}

)

-- Of an identifier that was there before, only the cluster is another.
select
    clusters.node_id,
    nodes.identifier,
    clusters.cluster_id,
    clusters.batch_id
from nodes
right join clusters
    on nodes.node_id = clusters.node_id
