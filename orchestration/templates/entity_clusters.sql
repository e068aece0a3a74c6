{#- What would grow past maximum_nodes is something else: an office, a hotel. It stops
    growing there, the edges that came first count. -#}
{{ config(materialized='clusters', maximum_nodes=50, edge_order=['first_seen_at']) }}

select
    left_id,
    right_id,
    first_seen_at
from {{ ref('int_${name}_edges') }}
