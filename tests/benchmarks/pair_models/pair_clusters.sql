{{ config(materialized='clusters') }}

select
    left_id,
    right_id,
    batch_id
from {{ ref('pair_edges') }}
