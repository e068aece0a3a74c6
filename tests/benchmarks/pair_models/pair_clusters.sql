{{ config(materialized='clusters') }}

-- Accounts have numbers from 0 on, devices those below.
select
    {{ bigint_hash('account') }} as left_id,
    -1 - {{ bigint_hash('device') }} as right_id,
    pair_id as batch_id
from {{ source('crm', 'pairs') }}
