with

edges as (

    select * from {{ ref('int_${name}_edges') }}

),

clusters as (

    select * from {{ ref('int_${name}_clusters') }}

),

members as (

    select
        clusters.cluster_id,
        edges.profile_id,
        min(edges.first_seen_at) as first_seen_at
    from edges
    inner join clusters on edges.left_id = clusters.node_id
    group by
        clusters.cluster_id,
        edges.profile_id

),

ranked as (

    select
        *,
        row_number() over (
            partition by cluster_id order by first_seen_at, profile_id
        ) as age
    from members

),

-- Called by its earliest member, it keeps its name when others come.
named as (

    select
        cluster_id,
        {{ profile_id("'$name'", 'profile_id') }} as ${name}_id
    from ranked
    where age = 1

)

select
    named.${name}_id,
    members.profile_id,
    members.first_seen_at
from members
inner join named on members.cluster_id = named.cluster_id
