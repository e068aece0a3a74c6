{{
    config(
        materialized='merges',
        only_touched=true,
        pre_hook="{{ find_touched_nodes() }}",
        edge_order=[
            'case when is_rule then 0 else 1 end',
            'received_at',
            'message_id',
            'source_id',
            'priority',
            'left_id',
            'right_id',
        ],
        edge_columns=['received_at', 'message_id', 'source_id', 'is_rule', 'batch_id'],
    )
}}

with

touched as (

    select * from {{ work_table('touched') }}

),

edges as (

    select * from {{ ref('int_identity_edges') }}

),

identifiers as (

    select * from {{ ref('int_identifiers') }}

),

joins as (

    select * from {{ ref('stg_identity_rules') }}
    where action = 'include'

),

-- A rule may name an identifier that was never seen.
nodes as (

    select
        touched.node_id,
        touched.cluster_id,
        identifiers.first_seen_at,
        identifiers.first_message_id,
        identifiers.priority,
        identifiers.identifier_value
    from touched
    left join identifiers
        on touched.node_id = identifiers.identifier_id

),

-- An edge between two clusters was dropped.
kept as (

    select
        edges.*,
        left_nodes.cluster_id,
        (
            left_nodes.first_seen_at = edges.received_at
            and left_nodes.first_message_id = edges.message_id
        ) as is_left_new,
        (
            right_nodes.first_seen_at = edges.received_at
            and right_nodes.first_message_id = edges.message_id
        ) as is_right_new,
        left_nodes.priority <= right_nodes.priority as is_right_weaker
    from edges
    inner join nodes as left_nodes
        on edges.left_id = left_nodes.node_id
    inner join nodes as right_nodes
        on
            edges.right_id = right_nodes.node_id
            and left_nodes.cluster_id = right_nodes.cluster_id

),

-- Identifiers that were never a profile: the event that first showed them linked them
-- to a stronger identifier, or to one that was there before.
attached as (

    select
        cluster_id,
        right_id as node_id
    from kept
    where
        is_right_new
        and (is_right_weaker or not is_left_new)
    union
    select
        cluster_id,
        left_id as node_id
    from kept
    where
        is_left_new
        and not (is_right_new and is_right_weaker)

),

founders as (

    select
        cluster_id,
        count(*) as founder_count
    from nodes
    group by cluster_id
    union all
    select
        cluster_id,
        -count(*) as founder_count
    from attached
    group by cluster_id

),

-- Most profiles have one founder and only ever grew, without a merge.
merged_clusters as (

    select cluster_id
    from founders
    group by cluster_id
    having sum(founder_count) > 1
    union
    select nodes.cluster_id
    from nodes
    inner join joins
        on nodes.node_id = joins.left_id

),

-- What was never seen counts as youngest, so that no profile is called by it.
aged as (

    select
        node_id,
        row_number() over (
            order by
                case when first_seen_at is null then 1 else 0 end,
                first_seen_at,
                first_message_id,
                priority,
                identifier_value
        ) as age
    from nodes
    where cluster_id in (select cluster_id from merged_clusters)

),

-- What people joined is one before any event.
joining as (

    select
        left_id,
        right_id,
        received_at,
        message_id,
        source_id,
        priority,
        false as is_rule
    from kept
    where cluster_id in (select cluster_id from merged_clusters)
    union all
    select
        left_id,
        right_id,
        created_at as received_at,
        rule_id as message_id,
        'rule' as source_id,
        0 as priority,
        true as is_rule
    from joins

)

select
    joining.left_id,
    joining.right_id,
    left_aged.age as left_age,
    right_aged.age as right_age,
    joining.received_at,
    joining.message_id,
    joining.source_id,
    joining.priority,
    joining.is_rule,
    {{ batch_of_build() }} as batch_id
from joining
inner join aged as left_aged
    on joining.left_id = left_aged.node_id
inner join aged as right_aged
    on joining.right_id = right_aged.node_id
