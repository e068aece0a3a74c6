{{ config(materialized='clusters', limits=identifier_limits()) }}

select
    edge_id,
    left_id,
    right_id,
    left_type,
    right_type
from {{ ref('int_identity_edges') }}
