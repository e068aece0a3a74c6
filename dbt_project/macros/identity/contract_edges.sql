{#- Connected components by contraction, in plain SQL.

    Every node points at its smallest smaller neighbour; pointers are followed two
    steps; the edges are rewritten to what their ends point at, and those within one
    node go. When a round leaves more than two thirds of the edges (long sorted chains
    only move along), the next round follows every pointer to its end. Pointers lead to
    smaller nodes only, so that the last one standing is the smallest of its component,
    whatever the order of rows. A node that has an edge to itself only points at itself.
    Returns a work table (node_id, cluster_id). The edges are read once. -#}
{% macro contract_edges(edges) %}
    {{- return(create_work_table('components', components_of(pointers_of(edges)))) -}}
{% endmacro %}


{#- A work table (node_id, cluster_id) of where every node points in the end; of the
    smallest ones, which point at themselves, only some are there. -#}
{% macro pointers_of(edges) %}
    {%- set maximum_rounds = 64 -%}
    {%- set state = namespace(edges=none, left=0, jump_to_end=false, pointers=[]) -%}
    {%- set state.edges = create_work_table('contracted_0',
        'select greatest(left_id, right_id) as high, least(left_id, right_id) as low '
        ~ 'from ' ~ edges
    ) -%}
    {%- set state.left = count_rows(state.edges) -%}
    {%- for round in range(1, maximum_rounds + 1) if state.left -%}
        {%- set statements = point_to_smaller(state.edges, round) -%}
        {%- set pointers = work_table('pointers_' ~ round ~ '_0') -%}
        {%- if state.jump_to_end -%}
            {%- do run_statements(statements) -%}
            {%- set statements = [] -%}
            {%- set pointers = follow_to_end(
                pointers, 'pointers_' ~ round, ['hook_id']
            ) -%}
        {%- endif -%}
        {%- do state.pointers.append(pointers) -%}
        {#- Together, because on small tables asking costs more than the work. -#}
        {%- do run_statements(
            statements
            + create_work_table_statements(
                'contracted_' ~ round, rewritten_edges(state.edges, pointers, round)
            )
            + ['drop table ' ~ state.edges]
        ) -%}
        {%- set before = state.left -%}
        {%- set state.edges = work_table('contracted_' ~ round) -%}
        {%- set state.left = count_rows(state.edges) -%}
        {%- set state.jump_to_end = 3 * state.left > 2 * before -%}
    {%- endfor -%}
    {%- if state.left -%}
        {%- do exceptions.raise_compiler_error(
            this ~ ': ' ~ state.left ~ ' edges are left after ' ~ maximum_rounds
            ~ ' rounds. Every round removes edges, so their ids must be broken: '
            ~ 'look for nulls and for values that are not of type bigint.'
        ) -%}
    {%- endif -%}
    {{- return(composed_pointers(state.pointers)) -}}
{% endmacro %}


{#- The statements that make the work table `pointers_<round>_0`. Its column hook_id is
    the neighbour that a node pointed at before pointers were followed; null where it is
    the only smaller one. -#}
{% macro point_to_smaller(edges, round) %}
    {{- return(create_work_table_statements(
        'pointers_' ~ round ~ '_0',
        'with hooked as (select high as node_id, min(low) as cluster_id, '
        ~ 'case when max(low) > min(low) then min(low) end as hook_id from '
        ~ edges ~ ' group by high), '
        ~ 'followed as (' ~ follow_pointers('hooked', ['hook_id']) ~ ') '
        ~ follow_on('followed', ['hook_id'])
    )) -}}
{% endmacro %}


{#- Follows pointers (node_id, cluster_id, and other columns that stay) until none of
    them leads to a node that points on; each step doubles the distance, twice. -#}
{% macro follow_to_end(pointers, name, extra_columns=[]) %}
    {%- set state = namespace(pointers=pointers, moving=true) -%}
    {%- for step in range(1, 65) if state.moving -%}
        {%- do run_statements(
            create_work_table_statements(
                name ~ '_' ~ step,
                'with followed as ('
                ~ follow_pointers(state.pointers, extra_columns) ~ ') '
                ~ follow_on('followed', extra_columns)
            )
            + ['drop table ' ~ state.pointers]
        ) -%}
        {%- set state.pointers = work_table(name ~ '_' ~ step) -%}
        {%- set state.moving = single_value(
            'select coalesce(max(is_moved), 0) from ' ~ state.pointers
        ) > 0 -%}
    {%- endfor -%}
    {{- return(state.pointers) -}}
{% endmacro %}


{#- Each pointer led on to where the node at its end points; is_moved (0 or 1) says
    whether that was elsewhere. `here` is which of the pointers, if not all. -#}
{% macro follow_pointers(pointers, extra_columns=[], here=none) %}
    {%- set columns = [] -%}
    {%- for column in extra_columns -%}
        {%- do columns.append('here.' ~ column ~ ', ') -%}
    {%- endfor -%}
    {{- return(
        'select here.node_id, ' ~ columns | join('')
        ~ 'coalesce(there.cluster_id, here.cluster_id) as cluster_id, '
        ~ 'case when there.cluster_id <> here.cluster_id then 1 else 0 end as is_moved '
        ~ 'from ' ~ (here or pointers) ~ ' as here '
        ~ 'left join ' ~ pointers ~ ' as there on here.cluster_id = there.node_id'
    ) -}}
{% endmacro %}


{#- Pointers that were followed, once more: those that did not move are at their end. -#}
{% macro follow_on(pointers, extra_columns=[]) %}
    {{- return(
        'select ' ~ (['node_id'] + extra_columns + ['cluster_id', 'is_moved']) | join(', ')
        ~ ' from ' ~ pointers ~ ' where is_moved = 0 union all '
        ~ follow_pointers(
            pointers, extra_columns, '(select * from ' ~ pointers ~ ' where is_moved = 1)'
        )
    ) -}}
{% endmacro %}


{#- The edges between what their ends point at, without those that became loops. The
    edge to its hook has become one for every node whose pointer is at its end, so most
    nodes have none left. So few edges of the first round become the same that looking
    for them costs more. -#}
{% macro rewritten_edges(edges, pointers, round) %}
    {{- return(
        'with open_pointers as (select * from ' ~ pointers
        ~ ' where hook_id is not null or is_moved = 1), '
        ~ 'led as (select pointers.cluster_id as left_id, edges.low from '
        ~ edges ~ ' as edges inner join open_pointers as pointers '
        ~ 'on edges.high = pointers.node_id '
        ~ 'where edges.low <> pointers.hook_id or pointers.is_moved = 1), '
        ~ 'moved as (select led.left_id, '
        ~ 'coalesce(pointers.cluster_id, led.low) as right_id from led '
        ~ 'left join ' ~ pointers ~ ' as pointers on led.low = pointers.node_id) '
        ~ 'select ' ~ ('distinct ' if round > 1 else '')
        ~ 'greatest(left_id, right_id) as high, '
        ~ 'least(left_id, right_id) as low from moved where left_id <> right_id'
    ) -}}
{% endmacro %}


{#- A select of all nodes that pointers are of and lead to. -#}
{% macro components_of(pointers) %}
    {{- return(
        'select node_id, cluster_id from ' ~ pointers ~ ' where node_id <> cluster_id'
        ~ ' union all select distinct cluster_id as node_id, cluster_id from ' ~ pointers
    ) -}}
{% endmacro %}


{#- The pointers of all rounds, each followed through the later ones. Two steps may end
    at a node that points on, so a node can have pointers in several rounds; the earliest
    leads through the others. -#}
{% macro composed_pointers(rounds) %}
    {%- if not rounds -%}
        {{- return(create_work_table('composed_0',
            'select cast(0 as bigint) as node_id, cast(0 as bigint) as cluster_id '
            ~ 'where false'
        )) -}}
    {%- endif -%}
    {%- set state = namespace(composed=rounds[-1], statements=[]) -%}
    {%- for pointers in rounds[:-1] | reverse -%}
        {%- set name = 'composed_' ~ loop.index -%}
        {%- do state.statements.extend(create_work_table_statements(name,
            'select earlier.node_id, '
            ~ 'coalesce(later.cluster_id, earlier.cluster_id) as cluster_id '
            ~ 'from ' ~ pointers ~ ' as earlier '
            ~ 'left join ' ~ state.composed ~ ' as later '
            ~ 'on earlier.cluster_id = later.node_id '
            ~ 'union all select later.node_id, later.cluster_id '
            ~ 'from ' ~ state.composed ~ ' as later '
            ~ 'left join ' ~ pointers ~ ' as earlier '
            ~ 'on later.node_id = earlier.node_id '
            ~ 'where earlier.node_id is null'
        )) -%}
        {%- do state.statements.extend(
            ['drop table ' ~ pointers, 'drop table ' ~ state.composed]
        ) -%}
        {%- set state.composed = work_table(name) -%}
    {%- endfor -%}
    {%- if state.statements -%}
        {%- do run_statements(state.statements) -%}
    {%- endif -%}
    {{- return(state.composed) -}}
{% endmacro %}


{% macro count_rows(relation) %}
    {{- return(single_value('select count(*) from ' ~ relation)) -}}
{% endmacro %}


{% macro single_value(sql) %}
    {{- return(run_query(sql).columns[0].values()[0] | int) -}}
{% endmacro %}
