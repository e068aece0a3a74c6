{{ config(materialized='incremental', incremental_strategy='append') }}

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

nodes as (

    select
        {{ bigint_hash('account') }} as node_id,
        'account:' || account as identifier
    from accounts
    union all
    select
        -1 - {{ bigint_hash('device') }} as node_id,
        'device:' || device as identifier
    from devices

),

batches as (

    select max(pair_id) as batch_id from pairs

)

select
    nodes.node_id,
    nodes.identifier,
    batches.batch_id
from nodes
cross join batches
{% if is_incremental() %}
    where not exists (
        select 1 from {{ this }} as known
        where nodes.node_id = known.node_id
    )
{% endif %}
