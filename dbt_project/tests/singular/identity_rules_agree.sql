-- A person says that two identifiers never belong to one profile, and the joins that
-- people decided make one of them. Mend it with `./kith identity withdraw`, for the
-- split or for one of the joins.
select
    splits.rule_id,
    splits.left_type || ':' || splits.left_value as left_identifier,
    splits.right_type || ':' || splits.right_value as right_identifier,
    splits.reason
from {{ ref('stg_identity_rules') }} as splits
inner join {{ ref('int_identity_clusters') }} as left_nodes
    on splits.left_id = left_nodes.node_id
inner join {{ ref('int_identity_clusters') }} as right_nodes
    on
        splits.right_id = right_nodes.node_id
        and left_nodes.cluster_id = right_nodes.cluster_id
where splits.action = 'exclude'
