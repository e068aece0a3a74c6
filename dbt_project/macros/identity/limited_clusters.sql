{#- Takes the clusters apart that hold more nodes of a type than its limit, and returns
    a select of (node_id, cluster_id) over all nodes.

    In a round, every edge goes whose two clusters together would break a limit: they
    can only grow, so it would be dropped whenever its turn came. Then every edge joins
    that is the earliest left at both of its clusters: no earlier edge can change either
    of them first. So the rounds give what taking one edge after the other gives. -#}
{% macro limited_clusters(edges, connected, limits) %}
    {%- set maximum_rounds = 10000 -%}
    {%- set excessive = create_work_table('excessive',
        nodes_of_edges(edges, connected) ~ ' select distinct cluster_id from ('
        ~ 'select cluster_id, node_type from nodes group by cluster_id, node_type '
        ~ 'having count(*) > ' ~ limit_of_type(limits) ~ ') as types'
    ) -%}
    {%- if count_rows(excessive) == 0 -%}
        {{- return('select node_id, cluster_id from ' ~ connected) -}}
    {%- endif -%}

    {%- set state = namespace(
        nodes=create_work_table('nodes_0',
            nodes_of_edges(edges, connected) ~ ' select node_id, node_type, '
            ~ 'node_id as cluster_id from nodes '
            ~ 'where cluster_id in (select cluster_id from ' ~ excessive ~ ')'
        ),
        edges=create_work_table('open_0',
            'select edges.edge_id, edges.left_id as left_cluster, '
            ~ 'edges.right_id as right_cluster from ' ~ edges ~ ' as edges '
            ~ 'inner join ' ~ connected ~ ' as connected '
            ~ 'on edges.left_id = connected.node_id '
            ~ 'where edges.left_id <> edges.right_id and connected.cluster_id in '
            ~ '(select cluster_id from ' ~ excessive ~ ')'
        ),
        left=1
    ) -%}
    {%- for round in range(1, maximum_rounds + 1) if state.left -%}
        {%- set allowed = create_work_table(
            'allowed', allowed_edges(state.edges, state.nodes, limits)
        ) -%}
        {%- set joined = create_work_table('joined', earliest_at_both_ends(allowed)) -%}
        {#- Two names in turn: a table cannot be replaced while it is read. -#}
        {%- set turn = round % 2 -%}
        {%- set state.edges = create_work_table(
            'open_' ~ turn, edges_after_joins(allowed, joined)
        ) -%}
        {%- set state.nodes = create_work_table('nodes_' ~ turn,
            'select nodes.node_id, nodes.node_type, '
            ~ 'coalesce(joined.cluster_id, nodes.cluster_id) as cluster_id '
            ~ 'from ' ~ state.nodes ~ ' as nodes left join ' ~ joined ~ ' as joined '
            ~ 'on nodes.cluster_id = joined.node_id'
        ) -%}
        {%- set state.left = count_rows(state.edges) -%}
    {%- endfor -%}
    {%- if state.left -%}
        {%- do exceptions.raise_compiler_error(
            this ~ ': ' ~ state.left ~ ' edges are undecided after ' ~ maximum_rounds
            ~ ' rounds: a chain of that many identifiers breaks a limit. Find the '
            ~ 'identifier that links them and add it to blocked_identifiers, or raise '
            ~ 'the limit of its type.'
        ) -%}
    {%- endif -%}
    {{- return(
        'select node_id, cluster_id from ' ~ connected ~ ' where cluster_id not in '
        ~ '(select cluster_id from ' ~ excessive ~ ') '
        ~ 'union all select node_id, cluster_id from ' ~ state.nodes
    ) -}}
{% endmacro %}


{#- A CTE `nodes`: every node once, with its type and cluster. -#}
{% macro nodes_of_edges(edges, connected) %}
    {{- return(
        'with ends as ('
        ~ 'select left_id as node_id, left_type as node_type from ' ~ edges
        ~ ' union select right_id as node_id, right_type as node_type from ' ~ edges
        ~ '), nodes as (select ends.node_id, ends.node_type, connected.cluster_id '
        ~ 'from ends inner join ' ~ connected ~ ' as connected '
        ~ 'on ends.node_id = connected.node_id)'
    ) -}}
{% endmacro %}


{#- The limit of `node_type`; null, so never exceeded, for a type without one. -#}
{% macro limit_of_type(limits) %}
    {%- set cases = [] -%}
    {%- for type, limit in limits.items() -%}
        {%- set name = string_literal(type) | trim -%}
        {%- do cases.append(' when ' ~ name ~ ' then ' ~ limit) -%}
    {%- endfor -%}
    {%- if not cases -%}
        {{- return('cast(null as bigint)') -}}
    {%- endif -%}
    {{- return('case node_type' ~ cases | join('') ~ ' end') -}}
{% endmacro %}


{% macro allowed_edges(edges, nodes, limits) %}
    {{- return(
        'with counts as (select cluster_id, node_type, count(*) as node_count from '
        ~ nodes ~ ' group by cluster_id, node_type), '
        ~ sides_of(edges) ~ ', '
        ~ 'excessive as (select sides.edge_id, counts.node_type '
        ~ 'from sides inner join counts on sides.cluster_id = counts.cluster_id '
        ~ 'group by sides.edge_id, counts.node_type '
        ~ 'having sum(counts.node_count) > ' ~ limit_of_type(limits) ~ ') '
        ~ 'select edge_id, left_cluster, right_cluster from ' ~ edges
        ~ ' where edge_id not in (select edge_id from excessive)'
    ) -}}
{% endmacro %}


{#- What joins in this round: each pair once, the greater pointing at the smaller. -#}
{% macro earliest_at_both_ends(edges) %}
    {{- return(
        'with ' ~ sides_of(edges) ~ ', '
        ~ 'earliest as (select cluster_id, min(edge_id) as edge_id from sides '
        ~ 'group by cluster_id) '
        ~ 'select greatest(edges.left_cluster, edges.right_cluster) as node_id, '
        ~ 'least(edges.left_cluster, edges.right_cluster) as cluster_id '
        ~ 'from ' ~ edges ~ ' as edges '
        ~ 'inner join earliest as at_left on edges.left_cluster = at_left.cluster_id '
        ~ 'and edges.edge_id = at_left.edge_id '
        ~ 'inner join earliest as at_right '
        ~ 'on edges.right_cluster = at_right.cluster_id '
        ~ 'and edges.edge_id = at_right.edge_id'
    ) -}}
{% endmacro %}


{% macro edges_after_joins(edges, joined) %}
    {{- return(
        'with moved as (select edges.edge_id, '
        ~ 'coalesce(at_left.cluster_id, edges.left_cluster) as left_cluster, '
        ~ 'coalesce(at_right.cluster_id, edges.right_cluster) as right_cluster '
        ~ 'from ' ~ edges ~ ' as edges '
        ~ 'left join ' ~ joined ~ ' as at_left '
        ~ 'on edges.left_cluster = at_left.node_id '
        ~ 'left join ' ~ joined ~ ' as at_right '
        ~ 'on edges.right_cluster = at_right.node_id) '
        ~ 'select edge_id, left_cluster, right_cluster from moved '
        ~ 'where left_cluster <> right_cluster'
    ) -}}
{% endmacro %}


{#- A CTE `sides`: each edge twice, once per cluster that it touches. -#}
{% macro sides_of(edges) %}
    {{- return(
        'sides as (select edge_id, left_cluster as cluster_id from ' ~ edges
        ~ ' union all select edge_id, right_cluster as cluster_id from ' ~ edges ~ ')'
    ) -}}
{% endmacro %}
