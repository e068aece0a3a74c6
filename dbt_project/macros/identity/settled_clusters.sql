{#- The rows of the members that need others, those of broken groups decided edge by edge.
    What has the same cluster as before needs none, but for the ends of fresh edges, by
    which a cluster is seen to be touched, and what was late or has flags. -#}
{% macro settled_rows(target, members, broken, fresh, stamp, settings) %}
    {%- set has_broken = count_rows(broken) > 0 -%}
    {%- set undecided = create_work_table('undecided',
        'select cast(0 as bigint) as left_id, cast(0 as bigint) as right_id where 1 = 0'
    ) -%}
    {%- set settled = 'select node_id, group_id as cluster_id from ' ~ members
        ~ ' where (group_id <> cluster_id or is_late = 1 or is_contested '
        ~ 'or node_id in (select node_id from ' ~ fresh.nodes ~ '))' -%}
    {%- if has_broken -%}
        {%- set decided = decide_touched(members, broken, fresh, settings) -%}
        {%- do warn_of_undecided(decided, settings) -%}
        {%- set undecided = decided.undecided -%}
        {%- set settled = settled ~ ' and group_id not in (select group_id from '
            ~ broken ~ ') union all select node_id, cluster_id from ' ~ decided.nodes -%}
    {%- endif -%}
    {%- set settled = create_work_table('settled', settled) -%}

    {#- Whose flags may be others now: those that had one, all of a late group, and the
        ends of fresh edges. -#}
    {%- set doubtful = create_work_table('doubtful',
        'select node_id from ' ~ members ~ ' where is_contested '
        ~ 'or (group_id in (select group_id from ' ~ broken ~ ') and (is_late = 1 '
        ~ 'or node_id in (select node_id from ' ~ fresh.nodes ~ ')))'
    ) -%}
    {%- if count_rows(doubtful) == 0 -%}
        {{- return(
            'select node_id, cluster_id, false as is_contested, '
            ~ 'false as is_undecided, ' ~ stamp ~ ' from ' ~ settled
        ) -}}
    {%- endif -%}
    {%- set edges = create_work_table('doubtful_edges', edges_at(doubtful, settings)) -%}
    {%- set present = create_work_table('present',
        present_clusters(target, settled, edges)
    ) -%}
    {%- set flags = create_work_table('flags',
        flags_of_nodes(edges, present, undecided)
    ) -%}
    {%- set sql -%}
        select
            settled.node_id,
            settled.cluster_id,
            flags.node_id is not null as is_contested,
            coalesce(flags.is_undecided, 0) = 1 as is_undecided,
            {{ stamp }}
        from {{ settled }} as settled
        left join {{ flags }} as flags on settled.node_id = flags.node_id
    {%- endset -%}
    {{- return(sql) -}}
{% endmacro %}


{#- Late groups from their nodes on with all their edges, the others from their clusters
    on with what is fresh. -#}
{% macro decide_touched(members, broken, fresh, settings) %}
    {%- set starts = create_work_table('starts',
        'select node_id, cluster_id as start_id, is_late from (select node_id, '
        ~ 'cluster_id, is_late from ' ~ members ~ ' where is_late = 0 '
        ~ 'and group_id in (select group_id from ' ~ broken ~ ')) as standing '
        ~ 'union all select node_id, start_id, 1 as is_late from ('
        ~ members_from_the_start(
            '(select node_id, group_id as cluster_id from ' ~ members
            ~ ' where is_late = 1)', broken, settings
        ) ~ ') as late'
    ) -%}
    {%- set edges -%}
        {{ edges_between(
            '(select node_id from ' ~ starts ~ ' where is_late = 1)', settings
        ) }}
        union all
        select {{ prefixed(['left_id', 'right_id'] + settings.order[:-2], 'edges') }}
        from {{ fresh.edges }} as edges
        inner join {{ starts }} as at_left on edges.left_id = at_left.node_id
        inner join {{ starts }} as at_right on edges.right_id = at_right.node_id
        where at_left.is_late = 0 and at_left.start_id <> at_right.start_id
    {%- endset -%}
    {{- return(decide_edges(
        starts,
        create_work_table('broken_edges', numbered_edges(edges, settings)),
        settings
    )) -}}
{% endmacro %}


{#- The edges that have an end among `nodes`. -#}
{% macro edges_at(nodes, settings) %}
    {%- set sql -%}
        select edges.left_id, edges.right_id
        from {{ settings.edges }} as edges
        inner join {{ nodes }} as nodes on edges.left_id = nodes.node_id
        union all
        select edges.left_id, edges.right_id
        from {{ settings.edges }} as edges
        inner join {{ nodes }} as nodes on edges.right_id = nodes.node_id
    {%- endset -%}
    {{- return(sql) -}}
{% endmacro %}


{#- The ends of edges with their clusters: as settled now, or else as they stand. -#}
{% macro present_clusters(target, settled, edges) %}
    {%- set sql -%}
        with

        ends as (

            select left_id as node_id from {{ edges }}
            union
            select right_id as node_id from {{ edges }}

        ),

        placed as (

            select ends.node_id, settled.cluster_id
            from ends
            left join {{ settled }} as settled on ends.node_id = settled.node_id

        ),

        outside as (

            select node_id from placed
            where cluster_id is null

        )

        select node_id, cluster_id from placed
        where cluster_id is not null
        union all
        select nodes.node_id, nodes.cluster_id
        from {{ target }} as nodes
        inner join outside on nodes.node_id = outside.node_id
    {%- endset -%}
    {{- return(sql) -}}
{% endmacro %}
