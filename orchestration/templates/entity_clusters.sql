{{ config(materialized='clusters') }}

select
    left_id,
    right_id
from {{ ref('int_${name}_edges') }}
