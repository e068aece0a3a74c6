{#- A work table (group_id) of the late groups. -#}
{% macro late_groups(members, broken, fresh, settings) %}
    {%- set changed -%}
        select distinct members.group_id
        from {{ members }} as members
        inner join (
            select distinct members.group_id
            from {{ fresh.nodes }} as nodes
            inner join {{ members }} as members on nodes.node_id = members.node_id
            where nodes.is_changed = 1
        ) as changed
            on members.group_id = changed.group_id
        where
            members.is_contested
            or members.group_id in (select group_id from {{ broken }})
    {%- endset -%}
    {%- if count_rows(broken) == 0 -%}
        {{- return(create_work_table('late', changed)) -}}
    {%- endif -%}
    {%- set at_hand = create_work_table('at_hand',
        'select node_id, cluster_id, group_id from ' ~ members
        ~ ' where group_id in (select group_id from ' ~ broken ~ ')'
    ) -%}
    {%- set columns = ['left_id', 'right_id'] + settings.order[:-2] -%}
    {#- A work table between the joins, or an engine might join all nodes of a cluster
        with each other first. -#}
    {%- set leaving = create_work_table('leaving',
        'select nodes.group_id, nodes.cluster_id, ' ~ prefixed(columns, 'edges')
        ~ ' from ' ~ settings.edges ~ ' as edges inner join ' ~ at_hand ~ ' as nodes '
        ~ 'on edges.left_id = nodes.node_id'
    ) -%}
    {%- set dated -%}
        select
            edges.group_id,
            0 as is_new,
            {{ prefixed(columns, 'edges') }}
        from {{ leaving }} as edges
        inner join {{ at_hand }} as nodes
            on
                edges.right_id = nodes.node_id
                and edges.cluster_id = nodes.cluster_id
        union all
        select
            at_left.group_id,
            1 as is_new,
            {{ prefixed(columns, 'edges') }}
        from {{ fresh.edges }} as edges
        inner join {{ at_hand }} as at_left on edges.left_id = at_left.node_id
        inner join {{ at_hand }} as at_right on edges.right_id = at_right.node_id
        where edges.is_new = 1 and at_left.cluster_id <> at_right.cluster_id
    {%- endset -%}
    {{- return(create_work_table('late',
        'with numbered as (select group_id, is_new, row_number() over (order by '
        ~ settings.order | join(', ') ~ ') as edge_no from (' ~ dated ~ ') as dated) '
        ~ 'select group_id from numbered group by group_id '
        ~ 'having min(case when is_new = 1 then edge_no end) '
        ~ '< max(case when is_new = 0 then edge_no end) union ' ~ changed
    )) -}}
{% endmacro %}


{#- The touched clusters, late groups widened by all that dropped edges connect. -#}
{% macro with_late_neighbours(target, touched, late, fresh, settings) %}
    {%- set dropped -%}
        select distinct
            at_left.cluster_id as left_id,
            at_right.cluster_id as right_id
        from {{ settings.edges }} as edges
        inner join {{ target }} as at_left on edges.left_id = at_left.node_id
        inner join {{ target }} as at_right on edges.right_id = at_right.node_id
        where
            at_left.is_contested
            and at_right.is_contested
            and at_left.cluster_id <> at_right.cluster_id
    {%- endset -%}
    {%- set links = create_work_table('wide_links',
        dropped ~ ' union ' ~ links_of_clusters(fresh)
    ) -%}
    {%- set wide = create_work_table('wide',
        'select node_id as cluster_id, cluster_id as group_id from '
        ~ contract_edges(links)
    ) -%}
    {%- set sql -%}
        with

        late as (

            select distinct coalesce(wide.group_id, touched.cluster_id) as group_id
            from {{ touched }} as touched
            left join {{ wide }} as wide on touched.cluster_id = wide.cluster_id
            where touched.group_id in (select group_id from {{ late }})

        ),

        widened as (

            select cluster_id, group_id from {{ wide }}
            where group_id in (select group_id from late)
            union
            select touched.cluster_id, late.group_id
            from {{ touched }} as touched
            inner join late on touched.cluster_id = late.group_id

        )

        select cluster_id, group_id, 1 as is_late
        from widened
        union all
        select touched.cluster_id, touched.group_id, 0 as is_late
        from {{ touched }} as touched
        left join widened on touched.cluster_id = widened.cluster_id
        where widened.cluster_id is null
    {%- endset -%}
    {{- return(create_work_table('touched_widely', sql)) -}}
{% endmacro %}
