{{
    config(
        materialized='incremental',
        incremental_strategy='delete+insert',
        unique_key='node_id',
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

select
    clusters.node_id,
    {% if is_incremental() %}
        coalesce(known.identifier, nodes.identifier) as identifier,
    {% else %}
        nodes.identifier,
    {% endif %}
    clusters.cluster_id,
    clusters.batch_id
from nodes
right join clusters
    on nodes.node_id = clusters.node_id
{% if is_incremental() %}
    left join {{ this }} as known
        on clusters.node_id = known.node_id
{% endif %}
