{{
    config(
        materialized='incremental',
        incremental_strategy='touched_nodes',
        unique_key='identifier_id',
        on_schema_change='append_new_columns',
        pre_hook=[
            "{{ find_touched_nodes() }}",
            "{{ make_rename_paths(ref('int_identity_merges')) }}",
        ],
        post_hook="{% if execute %}{% do drop_work_tables() %}{% endif %}",
    )
}}

with

touched as (

    select * from {{ work_table('touched') }}

),

-- A model that is read twice has two names here: an engine copies what one name gives.
identifiers as (

    select * from {{ ref('int_identifiers') }}

),

surviving as (

    select * from {{ ref('int_identifiers') }}

),

profile_identifiers as (

    select * from {{ ref('profile_identifiers') }}

),

identity_merges as (

    select * from {{ ref('int_identity_merges') }}

),

-- Which merges renamed the profile of an identifier, in order.
paths as (

    select * from {{ work_table('paths') }}

),

sightings as (

    select * from {{ ref('int_event_identifiers') }}

),

nodes as (

    select
        identifiers.identifier_id,
        identifiers.identifier_type,
        identifiers.identifier_value,
        identifiers.first_seen_at,
        identifiers.first_message_id
    from touched
    inner join identifiers
        on touched.node_id = identifiers.identifier_id

),

first_sources as (

    select
        nodes.identifier_id,
        min(sightings.source_id) as source_id
    from nodes
    inner join sightings
        on
            nodes.identifier_id = sightings.identifier_id
            and nodes.first_seen_at = sightings.received_at
            and nodes.first_message_id = sightings.message_id
    group by nodes.identifier_id

),

born as (

    select
        nodes.identifier_id,
        nodes.identifier_type,
        nodes.identifier_value,
        nodes.first_seen_at,
        nodes.first_message_id,
        first_sources.source_id,
        first_paths.node_id is not null as is_renamed
    from nodes
    inner join first_sources
        on nodes.identifier_id = first_sources.identifier_id
    left join paths as first_paths
        on
            nodes.identifier_id = first_paths.node_id
            and first_paths.place = 1

),

-- A name that a profile got before the identifier was seen, or in that moment, is the
-- one that the identifier began with.
merged as (

    select
        born.identifier_id,
        born.first_seen_at,
        born.first_message_id,
        born.source_id as first_source_id,
        paths.place,
        {{ profile_id('surviving.identifier_type', 'surviving.identifier_value') }}
            as profile_id,
        identity_merges.received_at,
        identity_merges.message_id,
        identity_merges.source_id,
        (
            identity_merges.is_rule
            or identity_merges.received_at <= born.first_seen_at
        ) as is_from_start
    from born
    inner join paths
        on born.identifier_id = paths.node_id
    inner join identity_merges
        on paths.losing_id = identity_merges.losing_id
    inner join surviving
        on identity_merges.surviving_id = surviving.identifier_id

),

renamed as (

    select
        identifier_id,
        0 as place,
        {{ profile_id('identifier_type', 'identifier_value') }} as profile_id,
        first_seen_at as effective_at,
        first_message_id as message_id,
        source_id
    from born
    where is_renamed
    union all
    select
        identifier_id,
        place,
        profile_id,
        case when is_from_start then first_seen_at else received_at end
            as effective_at,
        case when is_from_start then first_message_id else message_id end
            as message_id,
        case when is_from_start then first_source_id else source_id end
            as source_id
    from merged

),

-- Of several names in one moment, the last holds.
ranked as (

    select
        *,
        row_number() over (
            partition by identifier_id, effective_at order by place desc
        ) as place_from_last
    from renamed

),

named as (

    select
        *,
        lead(effective_at) over (
            partition by identifier_id order by effective_at
        ) as superseded_at
    from ranked
    where place_from_last = 1

),

-- The profile of most identifiers never had another name.
periods as (

    select
        born.identifier_id,
        profile_identifiers.profile_id,
        born.first_seen_at as effective_at,
        cast(null as {{ timestamp_type() }}) as superseded_at,
        born.first_message_id as message_id,
        born.source_id
    from born
    inner join profile_identifiers
        on born.identifier_id = profile_identifiers.identifier_id
    where not born.is_renamed
    union all
    select
        identifier_id,
        profile_id,
        effective_at,
        superseded_at,
        message_id,
        source_id
    from named

)

select
    periods.profile_id,
    nodes.identifier_type,
    nodes.identifier_value,
    periods.effective_at,
    periods.superseded_at,
    periods.superseded_at is null as is_current,
    periods.message_id,
    periods.source_id,
    periods.identifier_id,
    {{ batch_of_build() }} as batch_id
from periods
inner join nodes
    on periods.identifier_id = nodes.identifier_id
