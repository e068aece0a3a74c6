{{ config(materialized='clusters', limits=identifier_limits()) }}

select
    edges.left_id,
    edges.right_id,
    left_ends.identifier_type as left_type,
    right_ends.identifier_type as right_type,
    row_number() over (
        order by
            edges.received_at,
            edges.message_id,
            edges.source_id,
            edges.priority,
            edges.left_id,
            edges.right_id
    ) as edge_id
from {{ ref('int_identity_edges') }} as edges
inner join {{ ref('int_identifiers') }} as left_ends
    on edges.left_id = left_ends.identifier_id
inner join {{ ref('int_identifiers') }} as right_ends
    on edges.right_id = right_ends.identifier_id
