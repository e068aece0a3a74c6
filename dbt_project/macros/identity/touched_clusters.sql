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
    {%- set touched = touched_clusters(fresh) -%}
    {%- set batch_id = newest_batch(settings, former.batch_id) -%}
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
    {{- return(create_work_table('rows', settled_rows(
        target, members, broken, fresh, stamp_of_rows(batch_id, settings), settings
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
{% macro touched_clusters(fresh) %}
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
