{{ config(materialized='view') }}

select
    left_id,
    right_id
from {{ ref('stg_identity_rules') }}
where
    action = 'include'
    and left_id <> right_id
