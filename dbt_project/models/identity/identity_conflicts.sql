{%- set cap = var('maximum_identifiers') -%}
{{
    config(
        materialized='incremental',
        incremental_strategy='touched_nodes',
        unique_key=['identifier_id', 'other_identifier_id'],
        on_schema_change='append_new_columns',
        pre_hook=[
            "{{ find_touched_nodes() }}",
            "{{ make_joined_units(ref('int_identity_joins')) }}",
        ],
        post_hook="{% if execute %}{% do drop_work_tables() %}{% endif %}",
    )
}}

with

touched as (

    select * from {{ work_table('touched') }}

),

edges as (

    select * from {{ ref('int_identity_edges') }}

),

-- A model that is read twice has two names here: an engine copies what one name gives.
left_clusters as (

    select * from {{ ref('int_identity_clusters') }}

),

right_clusters as (

    select * from {{ ref('int_identity_clusters') }}

),

clusters as (

    select * from {{ ref('int_identity_clusters') }}

),

limits as (

    select * from {{ ref('int_identity_limits') }}

),

splits as (

    select * from {{ ref('stg_identity_rules') }}
    where action = 'exclude'

),

-- What people joined counts as one identifier.
units as (

    select * from {{ work_table('units') }}

),

left_ends as (

    select * from {{ ref('int_identifiers') }}

),

right_ends as (

    select * from {{ ref('int_identifiers') }}

),

identifiers as (

    select * from {{ ref('int_identifiers') }}

),

ends as (

    select * from {{ ref('profile_identifiers') }}

),

other_ends as (

    select * from {{ ref('profile_identifiers') }}

),

-- An edge between two clusters was not taken.
apart as (

    select
        edges.left_id,
        edges.right_id,
        edges.received_at,
        edges.message_id,
        edges.source_id,
        left_clusters.cluster_id as left_cluster_id,
        right_clusters.cluster_id as right_cluster_id
    from edges
    inner join left_clusters
        on
            edges.left_id = left_clusters.node_id
            and left_clusters.is_contested
    inner join right_clusters
        on
            edges.right_id = right_clusters.node_id
            and right_clusters.is_contested
            and left_clusters.cluster_id <> right_clusters.cluster_id
    where
        edges.left_id in (select node_id from touched)
        or edges.right_id in (select node_id from touched)

),

sides as (

    select
        left_id,
        right_id,
        left_cluster_id as cluster_id
    from apart
    union all
    select
        left_id,
        right_id,
        right_cluster_id as cluster_id
    from apart

),

members as (

    select
        clusters.cluster_id,
        clusters.node_id,
        coalesce(units.unit_id, clusters.node_id) as unit_id
    from clusters
    left join units
        on clusters.node_id = units.node_id
    where clusters.cluster_id in (select cluster_id from sides)

),

-- What each of the two profiles holds of everything that is limited.
counted as (

    select
        members.cluster_id,
        limits.limit_key,
        limits.limit_value,
        min(identifiers.priority) as priority,
        count(distinct members.unit_id) as held_count
    from members
    inner join limits
        on members.node_id = limits.node_id
    left join identifiers
        on members.node_id = identifiers.identifier_id
    group by
        members.cluster_id,
        limits.limit_key,
        limits.limit_value
    {% if cap is not none %}
        union all
        select
            cluster_id,
            'identifiers' as limit_key,
            {{ cap }} as limit_value,
            null as priority,
            count(distinct unit_id) as held_count
        from members
        group by cluster_id
    {% endif %}

),

-- Everything that one profile made of both would break.
broken as (

    select
        sides.left_id,
        sides.right_id,
        counted.limit_key,
        counted.limit_value,
        min(counted.priority) as priority
    from sides
    inner join counted
        on sides.cluster_id = counted.cluster_id
    group by
        sides.left_id,
        sides.right_id,
        counted.limit_key,
        counted.limit_value
    having sum(counted.held_count) > counted.limit_value

),

told as (

    select
        broken.left_id,
        broken.right_id,
        case
            when splits.pair_key is not null
                then
                    splits.left_type || ' ' || splits.left_value || ' and '
                    || splits.right_type || ' ' || splits.right_value
                    || ' are kept apart: ' || splits.reason
            else
                'one profile may hold '
                || cast(broken.limit_value as {{ dbt.type_string() }}) || ' '
                || replace(broken.limit_key, ' ', ' first seen in ')
        end as reason,
        row_number() over (
            partition by broken.left_id, broken.right_id
            order by
                case when splits.pair_key is not null then 0 else 1 end,
                coalesce(broken.priority, 1000000),
                broken.limit_key
        ) as place
    from broken
    left join splits
        on broken.limit_key = 'split ' || splits.pair_key

),

-- A person's decision tells the reason, else the strongest type.
reasons as (

    select * from told
    where place = 1

),

-- The stronger end stands first; of one type, the older.
directed as (

    select
        apart.*,
        reasons.reason,
        (
            left_ends.priority > right_ends.priority
            or (
                left_ends.priority = right_ends.priority
                and {{ is_older('right_ends', 'left_ends') }}
            )
        ) as is_turned
    from apart
    left join reasons
        on
            apart.left_id = reasons.left_id
            and apart.right_id = reasons.right_id
    inner join left_ends
        on apart.left_id = left_ends.identifier_id
    inner join right_ends
        on apart.right_id = right_ends.identifier_id

),

turned as (

    select
        *,
        case when is_turned then right_id else left_id end as identifier_id,
        case when is_turned then left_id else right_id end as other_identifier_id
    from directed

)

select
    ends.profile_id,
    ends.identifier_type,
    ends.identifier_value,
    other_ends.profile_id as other_profile_id,
    other_ends.identifier_type as other_identifier_type,
    other_ends.identifier_value as other_identifier_value,
    case when turned.reason is null then 'undecided' else 'refused' end as state,
    coalesce(turned.reason, 'not decided yet: the next build goes on') as reason,
    turned.received_at,
    turned.message_id,
    turned.source_id,
    turned.identifier_id,
    turned.other_identifier_id,
    {{ batch_of_build() }} as batch_id
from turned
inner join ends
    on turned.identifier_id = ends.identifier_id
inner join other_ends
    on turned.other_identifier_id = other_ends.identifier_id
