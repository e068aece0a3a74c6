{{ config(materialized='incremental') }}

with

pairs as (

    select * from {{ source('crm', 'pairs') }}
    {% if is_incremental() %}
        where pair_id > (select max(batch_id) from {{ this }})
    {% endif %}

),

ends as (

    select
        'account:' || account as identifier,
        pair_id
    from pairs
    union all
    select
        'device:' || device as identifier,
        pair_id
    from pairs

),

numbered as (

    select
        {{ bigint_hash('identifier') }} as node_id,
        identifier,
        pair_id
    from ends

)

select
    node_id,
    min(identifier) as identifier,
    min(pair_id) as batch_id
from numbered
{% if is_incremental() %}
    where node_id not in (select node_id from {{ this }})
{% endif %}
group by node_id
