{{ config(materialized='clusters') }}

select
    {{ bigint_hash("'account:' || account") }} as left_id,
    {{ bigint_hash("'device:' || device") }} as right_id,
    pair_id as batch_id
from {{ source('crm', 'pairs') }}
