-- depends_on: {{ ref('int_identity_limits') }}
-- depends_on: {{ ref('int_identity_joins') }}
{{
    config(
        materialized='clusters',
        limits='int_identity_limits',
        joins='int_identity_joins',
        maximum_nodes=var('maximum_identifiers'),
        edge_order=['received_at', 'message_id', 'source_id', 'priority'],
        rules=identity_rules_version(),
    )
}}

select
    left_id,
    right_id,
    received_at,
    message_id,
    source_id,
    priority,
    batch_id
from {{ ref('int_identity_edges') }}
