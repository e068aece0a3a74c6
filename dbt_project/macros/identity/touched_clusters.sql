{#- What a batch of edges changes of clusters that stand.

    The ends of what is new lie in clusters; those that new edges connect are a group. A
    group that breaks no limit is one cluster from now on: every edge inside it counts,
    and no edge that was dropped at its border can return, since clusters only grow.

    A group that breaks a limit goes on from its clusters with the new edges alone, if
    these are later than whatever built the clusters. Otherwise (events that arrived
    late, nodes whose limits changed) it is late: it is taken from its nodes anew, and
    so is everything that dropped edges connect it with. -#}

{#- A work table of the new rows of all touched nodes. -#}
{% macro rows_of_touched_clusters(target, former, settings) %}
    {%- set fresh = fresh_edges(target, former, settings) -%}
    {%- set touched = touched_clusters(target, fresh) -%}
    {%- do create_work_table('grouped', members_of_touched(target, touched)) -%}
    {%- set members = work_table('grouped') -%}
    {%- set broken = groups_over_limits('broken', members, settings) -%}
    {%- set late = late_groups(members, broken, fresh, settings) -%}
    {%- if count_rows(late) -%}
        {%- set touched = with_late_neighbours(target, touched, late, fresh, settings) -%}
        {%- set members = create_work_table('grouped_again',
            members_of_touched(target, touched)
        ) -%}
        {%- set broken = groups_over_limits('broken_again', members, settings) -%}
    {%- endif -%}
    {%- set batch_id = newest_batch(settings, former.batch_id) -%}
    {{- return(create_work_table('rows', settled_rows(
        target, members, broken, fresh, batch_id, settings
    ))) -}}
{% endmacro %}


{#- Work tables: `edges`, those that are new and those that were left undecided, and
    `nodes`, those whose ends or limits they are, with the clusters they are in. -#}
{% macro fresh_edges(target, former, settings) %}
    {%- set columns = prefixed(['left_id', 'right_id'] + settings.order[:-2], 'edges') -%}
    {%- set new_edges -%}
        select {{ columns }}, 1 as is_new
        from {{ settings.edges }} as edges
        where edges.batch_id > {{ former.batch_id }}
    {%- endset -%}
    {%- set undecided -%}
        union all
        select {{ columns }}, 0 as is_new
        from {{ settings.edges }} as edges
        inner join {{ target }} as at_left on edges.left_id = at_left.node_id
        inner join {{ target }} as at_right on edges.right_id = at_right.node_id
        where
            edges.batch_id <= {{ former.batch_id }}
            and at_left.is_undecided
            and at_right.is_undecided
            and at_left.cluster_id <> at_right.cluster_id
    {%- endset -%}
    {%- set has_undecided = single_value(
        'select count(*) from ' ~ target ~ ' where is_undecided'
    ) > 0 -%}
    {%- set edges = create_work_table('fresh',
        new_edges ~ (' ' ~ undecided if has_undecided else '')
    ) -%}
    {%- set ends = 'select left_id as node_id, 0 as is_changed from ' ~ edges
        ~ ' union all select right_id as node_id, 0 as is_changed from ' ~ edges -%}
    {%- if settings.limits -%}
        {%- set ends = ends ~ ' union all select limits.node_id, 1 as is_changed from '
            ~ settings.limits ~ ' as limits inner join ' ~ target ~ ' as nodes '
            ~ 'on limits.node_id = nodes.node_id '
            ~ 'where limits.batch_id > ' ~ former.batch_id -%}
    {%- endif -%}
    {%- set nodes -%}
        select
            ends.node_id,
            coalesce(nodes.cluster_id, ends.node_id) as cluster_id,
            case when nodes.node_id is null then 1 else 0 end as is_new,
            ends.is_changed
        from (
            select node_id, max(is_changed) as is_changed
            from ({{ ends }}) as ends
            group by node_id
        ) as ends
        left join {{ target }} as nodes on ends.node_id = nodes.node_id
    {%- endset -%}
    {{- return({
        'edges': edges, 'nodes': create_work_table('fresh_nodes', nodes)
    }) -}}
{% endmacro %}


{#- A work table (cluster_id, group_id, is_late) of clusters that fresh edges touch. -#}
{% macro touched_clusters(target, fresh) %}
    {%- set links = create_work_table('links', links_of_clusters(fresh)) -%}
    {%- set groups = contract_edges(links) -%}
    {{- return(create_work_table('touched',
        'select distinct nodes.cluster_id, '
        ~ 'coalesce(groups.cluster_id, nodes.cluster_id) as group_id, 0 as is_late '
        ~ 'from ' ~ fresh.nodes ~ ' as nodes left join ' ~ groups ~ ' as groups '
        ~ 'on nodes.cluster_id = groups.node_id'
    )) -}}
{% endmacro %}


{#- Fresh edges, as pairs of the clusters that stand. -#}
{% macro links_of_clusters(fresh) %}
    {%- set sql -%}
        select distinct
            at_left.cluster_id as left_id,
            at_right.cluster_id as right_id
        from {{ fresh.edges }} as edges
        inner join {{ fresh.nodes }} as at_left on edges.left_id = at_left.node_id
        inner join {{ fresh.nodes }} as at_right on edges.right_id = at_right.node_id
        where at_left.cluster_id <> at_right.cluster_id
    {%- endset -%}
    {{- return(sql) -}}
{% endmacro %}


{#- All nodes of touched clusters, those that are new among them. -#}
{% macro members_of_touched(target, touched) %}
    {%- set sql -%}
        select
            nodes.node_id,
            nodes.cluster_id,
            touched.group_id,
            touched.is_late,
            nodes.is_contested
        from {{ target }} as nodes
        inner join {{ touched }} as touched on nodes.cluster_id = touched.cluster_id
        union all
        select
            nodes.node_id,
            nodes.cluster_id,
            touched.group_id,
            touched.is_late,
            false as is_contested
        from {{ work_table('fresh_nodes') }} as nodes
        inner join {{ touched }} as touched on nodes.cluster_id = touched.cluster_id
        where nodes.is_new = 1
    {%- endset -%}
    {{- return(sql) -}}
{% endmacro %}


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


{#- The rows of all members, those of broken groups decided edge by edge. -#}
{% macro settled_rows(target, members, broken, fresh, batch_id, settings) %}
    {%- set stamp = 'cast(' ~ batch_id ~ ' as bigint) as batch_id, '
        ~ string_literal(settings.rules_version) ~ ' as rules_version' -%}
    {%- set has_broken = count_rows(broken) > 0 -%}
    {%- set undecided = create_work_table('undecided',
        'select cast(0 as bigint) as left_id, cast(0 as bigint) as right_id where 1 = 0'
    ) -%}
    {%- set settled = 'select node_id, group_id as cluster_id from ' ~ members -%}
    {%- if has_broken -%}
        {%- set decided = decide_touched(members, broken, fresh, settings) -%}
        {%- do warn_of_undecided(decided, settings) -%}
        {%- set undecided = decided.undecided -%}
        {%- set settled = settled ~ ' where group_id not in (select group_id from '
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
