{#- Clusters of everything that edges connect, of any size and shape.

    The model is a select of edges: `left_id` and `right_id` (bigint, never null), in any
    direction. Its table has one row per end of an edge (an edge from a node to itself
    gives that node a row):

    - `node_id`, `cluster_id`: the smallest node of the cluster;
    - `is_contested`: an edge of the node was dropped or is undecided;
    - `is_undecided`: an edge of the node is undecided;
    - `batch_id`: grows; the build that last touched the cluster. Whoever follows the
      table looks at rows with a greater one than the greatest it has seen;
    - `rules_version`: under which rules the row was made.

    With a column `batch_id` (bigint: rows that a build adds carry a greater number than
    all before) in the select, a build takes only the edges that are new; the others were
    there before, unchanged. An edge that turns out to be earlier than it was thought
    comes again with a new batch_id. Without that column every build takes all edges.

    Config, all optional:

    - `limits`: name of a model (node_id, limit_key, limit_value, batch_id). A cluster
      holds at most limit_value nodes of one limit_key. batch_id: the build that last
      changed the row for a node that may have been there before; 0 for what never
      changes (a limit without window); null for a rule that a person gave (the contents
      of these count as rules: when one comes or goes, all is taken anew).
    - `maximum_nodes`: a cluster holds at most so many nodes.
    - `joins`: name of a model (left_id, right_id). Nodes joined so are one from the
      start, whatever the limits, and count as one toward each.
    - `edge_order`: the columns by which edges count, earlier ones first (then left_id,
      right_id). Needed with limits only.
    - `rules`: any text; another one than last time means that all is taken anew.
    - `maximum_rounds` (2000): how long a build goes on deciding contested edges.

    dbt finds a model that is named in a config only when the file says so too:
    `-- depends_on: {{ ref('...') }}`. -#}
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
