{{
    config(
        materialized='incremental',
        incremental_strategy='touched_nodes',
        unique_key='losing_identifier_id',
        on_schema_change='append_new_columns',
        pre_hook="{{ find_touched_nodes() }}",
        post_hook="{% if execute %}{% do drop_work_tables() %}{% endif %}",
    )
}}

with

touched as (

    select * from {{ work_table('touched') }}

),

identity_merges as (

    select * from {{ ref('int_identity_merges') }}

),

-- A model that is read twice has two names here: an engine copies what one name gives.
losing as (

    select * from {{ ref('int_identifiers') }}

),

surviving as (

    select * from {{ ref('int_identifiers') }}

)

-- What an event brings for the first time had no profile before it, so it joins one
-- without a merge.
select
    {{ profile_id('losing.identifier_type', 'losing.identifier_value') }}
        as losing_profile_id,
    {{ profile_id('surviving.identifier_type', 'surviving.identifier_value') }}
        as profile_id,
    identity_merges.received_at as merged_at,
    identity_merges.message_id,
    identity_merges.source_id,
    identity_merges.losing_id as losing_identifier_id,
    {{ batch_of_build() }} as batch_id
from touched
inner join identity_merges
    on touched.node_id = identity_merges.losing_id
inner join losing
    on identity_merges.losing_id = losing.identifier_id
inner join surviving
    on identity_merges.surviving_id = surviving.identifier_id
where
    identity_merges.is_rule
    or losing.first_seen_at <> identity_merges.received_at
    or losing.first_message_id <> identity_merges.message_id
