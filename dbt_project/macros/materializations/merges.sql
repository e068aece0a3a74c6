{#- The history of clusters that became one.

    The model is a select of edges that all count: `left_id` and `right_id` (bigint,
    never null), `left_age` and `right_age` (bigint; of two nodes the older has the
    smaller) and more columns that tell of the edge. The config `edge_order` lists what
    their order of arrival follows from, `edge_columns` the columns to keep.

    Its table has one row per edge that joined two clusters: `losing_id` and
    `surviving_id`, the oldest nodes of the younger and of the older cluster, and the
    columns to keep.

    A build makes the whole table, unless the config `only_touched` is true: then the
    select gives the edges between the nodes of the work table `touched`, which a
    pre-hook makes, and only the rows of those are replaced. -#}
{% materialization merges, default %}
    {%- set edge_columns = config.require('edge_columns') -%}
    {{ run_hooks(pre_hooks) }}

    {% set edges = create_work_table(
        'edges', edges_in_order(sql, config.require('edge_order'))
    ) %}
    {% set rows = merges_of_nodes(edges, merge_history(edges), edge_columns) %}
    {% if config.get('only_touched', false) and built_up_to() is not none %}
        {% set target = this.incorporate(type='table') %}
        {% do replace_part(
            target,
            touched_rows(['losing_id']),
            create_work_table('rows', rows),
            ['losing_id', 'surviving_id'] + edge_columns,
        ) %}
    {% else %}
        {% set target = replace_table(rows) %}
    {% endif %}
    {% do drop_work_tables() %}

    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}


{#- The edges with their place in the order, by which the rounds call them. -#}
{% macro edges_in_order(sql, edge_order) %}
    {{- return(
        'select *, row_number() over (order by ' ~ edge_order | join(', ')
        ~ ') as edge_id from (' ~ sql ~ ') as edges'
    ) -}}
{% endmacro %}


{#- The merges, found between ages, with the nodes and the columns of their edge. -#}
{% macro merges_of_nodes(edges, merges, edge_columns) %}
    {%- set nodes = create_work_table('nodes',
        'select left_age as age, left_id as node_id from ' ~ edges
        ~ ' union select right_age as age, right_id as node_id from ' ~ edges
    ) -%}
    {{- return(
        'select losing.node_id as losing_id, surviving.node_id as surviving_id, edges.'
        ~ edge_columns | join(', edges.') ~ ' from (' ~ merges ~ ') as merges '
        ~ 'inner join ' ~ edges ~ ' as edges on merges.edge_id = edges.edge_id '
        ~ 'inner join ' ~ nodes ~ ' as losing on merges.losing_id = losing.age '
        ~ 'inner join ' ~ nodes ~ ' as surviving on merges.surviving_id = surviving.age'
    ) -}}
{% endmacro %}
