{#- Clusters of everything that edges connect, of any size and shape.

    The model is a select of edges: `left_id` and `right_id` (bigint, never null). Its
    table has one row per end of an edge: `node_id` and `cluster_id`, the smallest node
    of the cluster.

    With the config `limits` (how many nodes of each type a cluster may hold) the select
    also gives `edge_id` (bigint, unique: the order in which edges count), `left_type`
    and `right_type`. Taken in that order, an edge then joins two clusters unless the
    joined one would hold more nodes of some type than its limit; such an edge is
    dropped. A cluster that holds to every limit although all its edges count is right
    as it stands, since counts only grow; only the others are taken apart. -#}
{% materialization clusters, default %}
    {%- set limits = config.get('limits') or {} -%}
    {{ run_hooks(pre_hooks) }}

    {% set edges = create_work_table('edges', sql) %}
    {% set connected = contract_edges(edges) %}
    {% if limits %}
        {% set rows = limited_clusters(edges, connected, limits) %}
    {% else %}
        {% set rows = 'select node_id, cluster_id from ' ~ connected %}
    {% endif %}
    {% set target = replace_table(rows) %}
    {% do drop_work_tables() %}

    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}
