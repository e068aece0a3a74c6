{#- Clusters that nothing limits and that take edges by batch: they only ever grow, so a
    build that joins two of them says so once and writes no row of their nodes again.

    The model is a view of two tables beside it:

    - `<model>__nodes` (node_id, cluster_id, batch_id): the cluster that a node came to,
      and the build that it came with. Rows are only ever added.
    - `<model>__names` (name_id, cluster_id, batch_id, rules_version): what a cluster of
      the nodes is called now, where a build has touched it since; and the last build
      that did. A build writes it after the nodes: its greatest batch tells how far the
      model is built, and to do again what a killed build had begun does no harm. -#}

{#- Makes all of it from all edges; returns the view. -#}
{% macro replace_growing_clusters(former, settings) %}
    {%- set pointers = pointers_of(all_links(settings)) -%}
    {%- set stamp = stamp_of_rows(batch_of_all_rows(former, settings), settings) -%}
    {%- set nodes = relation_beside('__nodes') -%}
    {%- set names = relation_beside('__names') -%}
    {%- set target = this.incorporate(type='view') -%}
    {#- The main statement begins the transaction. Where there are none, a build that is
        killed from here on leaves no model, and the next one makes all of it. -#}
    {% call statement('main') -%}
        select count(*) as row_count from {{ pointers }}
    {%- endcall %}
    {% do drop_relation_if_exists(load_cached_relation(this)) %}
    {% do drop_growing_clusters() %}
    {% do run_statements([
        create_table_as(false, nodes, nodes_from_the_start(pointers, stamp)),
        create_table_as(false, names, first_names(pointers, stamp)),
        create_view_as(target, present_nodes(nodes, names, settings)),
    ]) %}
    {% do persist_docs(target, model) %}
    {{- return(target) -}}
{% endmacro %}


{#- Adds what new edges change; returns the view. -#}
{% macro extend_growing_clusters(former, settings) %}
    {%- set nodes = relation_beside('__nodes') -%}
    {%- set names = relation_beside('__names') -%}
    {%- set fresh = {
        'edges': create_work_table('fresh',
            'select edges.left_id, edges.right_id from ' ~ settings.edges
            ~ ' as edges where edges.batch_id > ' ~ former.batch_id
        ),
    } -%}
    {%- do fresh.update({'nodes': create_work_table('fresh_nodes',
        ends_in_growing_clusters(fresh.edges, nodes, names)
    )}) -%}
    {%- set touched = touched_clusters(fresh) -%}
    {%- set batch_id = newest_batch(settings, former.batch_id) -%}
    {%- set new_nodes = create_work_table('new_nodes', nodes_to_add(
        fresh, touched, batch_id
    )) -%}
    {%- set new_names = create_work_table('new_names', names_to_write(
        names, fresh, touched, stamp_of_rows(batch_id, settings)
    )) -%}
    {% call statement('main') -%}
        {{ insert_of_rows(nodes, new_nodes, ['node_id', 'cluster_id', 'batch_id']) }}
    {%- endcall %}
    {% do replace_rows(
        names,
        [{'columns': ['name_id'], 'keys': ['name_id'], 'of': new_names}],
        new_names,
        ['name_id', 'cluster_id', 'batch_id', 'rules_version'],
    ) %}
    {{- return(this.incorporate(type='view')) -}}
{% endmacro %}


{#- One of the tables beside the model. -#}
{% macro relation_beside(suffix) %}
    {{- return(this.incorporate(
        path={'identifier': this.identifier ~ suffix}, type='table'
    )) -}}
{% endmacro %}


{#- Each node with its cluster as it is called now: the rows of the model. -#}
{% macro present_nodes(nodes, names, settings) %}
    {%- set sql -%}
        select
            nodes.node_id,
            coalesce(names.cluster_id, nodes.cluster_id) as cluster_id,
            false as is_contested,
            false as is_undecided,
            greatest(nodes.batch_id, coalesce(names.batch_id, 0)) as batch_id,
            cast({{ settings.rules_version }} as bigint) as rules_version
        from {{ nodes }} as nodes
        left join {{ names }} as names on nodes.cluster_id = names.name_id
    {%- endset -%}
    {{- return(sql) -}}
{% endmacro %}


{% macro nodes_from_the_start(pointers, stamp) %}
    {{- return(
        'select node_id, cluster_id, batch_id from (select node_id, cluster_id, '
        ~ stamp ~ ' from (' ~ components_of(pointers) ~ ') as components) as nodes'
    ) -}}
{% endmacro %}


{#- One name, so that the batch of the build is told. -#}
{% macro first_names(pointers, stamp) %}
    {{- return(
        'select name_id, name_id as cluster_id, ' ~ stamp
        ~ ' from (select min(cluster_id) as name_id from ' ~ pointers
        ~ ') as least where name_id is not null'
    ) -}}
{% endmacro %}


{#- The ends of edges with the clusters that they are in; a new one is its own. -#}
{% macro ends_in_growing_clusters(edges, nodes, names) %}
    {%- set sql -%}
        with

        ends as (

            select left_id as node_id from {{ edges }}
            union
            select right_id as node_id from {{ edges }}

        ),

        placed as (

            select
                ends.node_id,
                coalesce(nodes.cluster_id, ends.node_id) as cluster_id,
                case when nodes.node_id is null then 1 else 0 end as is_new
            from ends
            left join {{ nodes }} as nodes on ends.node_id = nodes.node_id

        )

        select
            placed.node_id,
            coalesce(names.cluster_id, placed.cluster_id) as cluster_id,
            placed.is_new
        from placed
        left join {{ names }} as names on placed.cluster_id = names.name_id
    {%- endset -%}
    {{- return(sql) -}}
{% endmacro %}


{% macro nodes_to_add(fresh, touched, batch_id) %}
    {%- set sql -%}
        select
            nodes.node_id,
            touched.group_id as cluster_id,
            cast({{ batch_id }} as bigint) as batch_id
        from {{ fresh.nodes }} as nodes
        inner join {{ touched }} as touched on nodes.cluster_id = touched.cluster_id
        where nodes.is_new = 1
    {%- endset -%}
    {{- return(sql) -}}
{% endmacro %}


{#- What leads to a touched cluster is led on, and each touched one that has no name yet
    gets one; of those that are new only the one that the new nodes come to. -#}
{% macro names_to_write(names, fresh, touched, stamp) %}
    {%- set sql -%}
        with

        led_on as (

            select names.name_id, touched.group_id as cluster_id
            from {{ names }} as names
            inner join {{ touched }} as touched on names.cluster_id = touched.cluster_id

        ),

        first_named as (

            select touched.cluster_id as name_id, touched.group_id as cluster_id
            from {{ touched }} as touched
            left join {{ names }} as names on touched.cluster_id = names.name_id
            left join {{ fresh.nodes }} as nodes
                on touched.cluster_id = nodes.node_id and nodes.is_new = 1
            where
                names.name_id is null
                and (nodes.node_id is null or touched.cluster_id = touched.group_id)

        )

        select name_id, cluster_id, {{ stamp }}
        from (select * from led_on union all select * from first_named) as written
    {%- endset -%}
    {{- return(sql) -}}
{% endmacro %}


{#- The tables of a model that is no longer one of these. -#}
{% macro drop_growing_clusters() %}
    {%- set suffixes = ['__nodes', '__names'] -%}
    {%- for suffix in suffixes -%}
        {%- do drop_relation_if_exists(load_cached_relation(relation_beside(suffix))) -%}
    {%- endfor -%}
{% endmacro %}
