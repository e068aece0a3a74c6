with

joins as (

    select * from {{ ref('int_identity_merges') }}

),

edges as (

    select * from {{ ref('int_identity_edges') }}

),

identifiers as (

    select * from {{ ref('int_identifiers') }}

),

arrived as (

    select
        joins.losing_id,
        joins.surviving_id,
        edges.received_at as merged_at,
        edges.message_id
    from joins
    inner join edges
        on joins.edge_id = edges.edge_id

)

-- What an event brings for the first time had no profile before it, so it joins one
-- without a merge.
select
    {{ profile_id('losing.identifier_type', 'losing.identifier_value') }}
        as losing_profile_id,
    {{ profile_id('surviving.identifier_type', 'surviving.identifier_value') }}
        as profile_id,
    arrived.merged_at,
    arrived.message_id
from arrived
inner join identifiers as losing
    on arrived.losing_id = losing.node_id
inner join identifiers as surviving
    on arrived.surviving_id = surviving.node_id
where
    losing.first_seen_at <> arrived.merged_at
    or losing.first_message_id <> arrived.message_id
