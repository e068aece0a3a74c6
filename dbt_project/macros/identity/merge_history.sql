{#- The merges that taking one edge after the other gives, in a few rounds.

    In a round, every cluster hooks onto the neighbour at the other end of its earliest
    edge. The hooks form trees, rooted where two clusters chose the same edge, and grow
    later with the distance from the root. So when the turn of a hook comes, its cluster
    is still alone, and what it joins is the root with every hook of the tree before
    it, provided that no earlier edge leaves the tree. Those hooks are taken, and what
    is oldest at each is a running minimum. Each round at least halves the number of
    trees that a component needs.

    Nodes go by their age here, so that the oldest is a minimum. Returns a select
    (losing_id, surviving_id, edge_id). -#}
{% macro merge_history(edges) %}
    {%- set maximum_rounds = 64 -%}
    {%- set state = namespace(
        edges=create_work_table('open_0',
            'select least(left_age, right_age) as left_cluster, '
            ~ 'greatest(left_age, right_age) as right_cluster, min(edge_id) as edge_id '
            ~ 'from ' ~ edges ~ ' where left_age <> right_age '
            ~ 'group by least(left_age, right_age), greatest(left_age, right_age)'
        ),
        left=0,
        merges=[
            'select cast(0 as bigint) as losing_id, cast(0 as bigint) as surviving_id, '
            ~ 'cast(0 as bigint) as edge_id where 1 = 0'
        ]
    ) -%}
    {%- set state.left = count_rows(state.edges) -%}
    {%- for round in range(1, maximum_rounds + 1) if state.left -%}
        {%- set trees = trees_of_hooks(state.edges, round) -%}
        {%- set taken = create_work_table('taken', taken_hooks(state.edges, trees)) -%}
        {%- set merges = create_work_table(
            'merges_' ~ round, merges_of_hooks(taken)
        ) -%}
        {%- do state.merges.append(
            'select losing_id, surviving_id, edge_id from ' ~ merges
        ) -%}
        {%- set state.edges = create_work_table(
            'open_' ~ round % 2, edges_after_merges(state.edges, taken)
        ) -%}
        {%- set state.left = count_rows(state.edges) -%}
    {%- endfor -%}
    {%- if state.left -%}
        {%- do exceptions.raise_compiler_error(
            this ~ ': ' ~ state.left ~ ' edges are left after ' ~ maximum_rounds
            ~ ' rounds. Every round removes edges, so their ids must be broken: '
            ~ 'look for nulls and for an edge_id that stands twice.'
        ) -%}
    {%- endif -%}
    {{- return(state.merges | join(' union all ')) -}}
{% endmacro %}


{#- Every cluster (node_id) with its earliest edge and the root of its tree
    (cluster_id); of the two that chose the same edge, the smaller is the root. -#}
{% macro trees_of_hooks(edges, round) %}
    {%- set hooks = create_work_table('hooks',
        'with ' ~ sides_of_open(edges) ~ ', '
        ~ 'earliest as (select cluster_id, min(edge_id) as edge_id from sides '
        ~ 'group by cluster_id) '
        ~ 'select earliest.cluster_id as node_id, earliest.edge_id, '
        ~ 'case when edges.left_cluster = earliest.cluster_id '
        ~ 'then edges.right_cluster else edges.left_cluster end as neighbour_id '
        ~ 'from earliest inner join ' ~ edges ~ ' as edges '
        ~ 'on earliest.edge_id = edges.edge_id'
    ) -%}
    {%- set rooted = create_work_table('trees_' ~ round ~ '_0',
        'select hooks.node_id, hooks.edge_id, case '
        ~ 'when hooks.edge_id = neighbours.edge_id '
        ~ 'and hooks.node_id < hooks.neighbour_id then hooks.node_id '
        ~ 'else hooks.neighbour_id end as cluster_id '
        ~ 'from ' ~ hooks ~ ' as hooks inner join ' ~ hooks ~ ' as neighbours '
        ~ 'on hooks.neighbour_id = neighbours.node_id'
    ) -%}
    {{- return(follow_to_end(rooted, 'trees_' ~ round, ['edge_id'])) -}}
{% endmacro %}


{#- The roots, and the hooks that come before any edge that leaves their tree. -#}
{% macro taken_hooks(edges, trees) %}
    {{- return(
        'with leaving as (select edges.edge_id, at_left.cluster_id as left_tree, '
        ~ 'at_right.cluster_id as right_tree from ' ~ edges ~ ' as edges '
        ~ 'inner join ' ~ trees ~ ' as at_left on edges.left_cluster = at_left.node_id '
        ~ 'inner join ' ~ trees ~ ' as at_right '
        ~ 'on edges.right_cluster = at_right.node_id '
        ~ 'where at_left.cluster_id <> at_right.cluster_id), '
        ~ 'borders as (select tree_id, min(edge_id) as edge_id from ('
        ~ 'select left_tree as tree_id, edge_id from leaving '
        ~ 'union all select right_tree as tree_id, edge_id from leaving) as sides '
        ~ 'group by tree_id) '
        ~ 'select trees.node_id, trees.edge_id, trees.cluster_id as tree_id, '
        ~ 'trees.node_id = trees.cluster_id as is_root '
        ~ 'from ' ~ trees ~ ' as trees '
        ~ 'left join borders on trees.cluster_id = borders.tree_id '
        ~ 'where borders.edge_id is null or trees.edge_id < borders.edge_id'
    ) -}}
{% endmacro %}


{#- A cluster is known by its oldest node, so the oldest is a minimum. -#}
{% macro merges_of_hooks(taken) %}
    {{- return(
        'with in_order as (select node_id, edge_id, is_root, '
        ~ 'min(node_id) over (partition by tree_id '
        ~ 'order by case when is_root then 0 else 1 end, edge_id '
        ~ 'rows between unbounded preceding and 1 preceding) as oldest_id '
        ~ 'from ' ~ taken ~ ') '
        ~ 'select greatest(node_id, oldest_id) as losing_id, '
        ~ 'least(node_id, oldest_id) as surviving_id, edge_id '
        ~ 'from in_order where not is_root'
    ) -}}
{% endmacro %}


{% macro edges_after_merges(edges, taken) %}
    {{- return(
        'with grown as (select node_id, '
        ~ 'min(node_id) over (partition by tree_id) as cluster_id from ' ~ taken ~ '), '
        ~ 'moved as (select edges.edge_id, '
        ~ 'coalesce(at_left.cluster_id, edges.left_cluster) as left_cluster, '
        ~ 'coalesce(at_right.cluster_id, edges.right_cluster) as right_cluster '
        ~ 'from ' ~ edges ~ ' as edges '
        ~ 'left join grown as at_left on edges.left_cluster = at_left.node_id '
        ~ 'left join grown as at_right on edges.right_cluster = at_right.node_id) '
        ~ 'select least(left_cluster, right_cluster) as left_cluster, '
        ~ 'greatest(left_cluster, right_cluster) as right_cluster, '
        ~ 'min(edge_id) as edge_id from moved where left_cluster <> right_cluster '
        ~ 'group by least(left_cluster, right_cluster), '
        ~ 'greatest(left_cluster, right_cluster)'
    ) -}}
{% endmacro %}


{#- A CTE `sides`: each edge twice, once per cluster that it touches. -#}
{% macro sides_of_open(edges) %}
    {{- return(
        'sides as (select edge_id, left_cluster as cluster_id from ' ~ edges
        ~ ' union all select edge_id, right_cluster as cluster_id from ' ~ edges ~ ')'
    ) -}}
{% endmacro %}
