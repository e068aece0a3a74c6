{#- Clusters of everything that edges connect, of any size and shape.

    The model is a select of edges: `left_id` and `right_id` (bigint, never null), in any
    direction. Its table has one row per end of an edge (an edge from a node to itself
    gives that node a row):

    - `node_id`, `cluster_id`: the smallest node of the cluster;
    - `is_contested`: an edge of the node was dropped or is undecided;
    - `is_undecided`: an edge of the node is undecided;
    - `batch_id`: grows; the build that last wrote the row. A build that touches a
      cluster writes the rows that change and those at which its new edges end, or all
      of them. Whoever follows the table looks at rows with a greater one than the
      greatest it has seen, and where all of a cluster counts, at the clusters of those;
    - `rules_version`: under which rules the row was made.

    With a column `batch_id` (bigint: rows that a build adds carry a greater number than
    all before) in the select, a build takes only the edges that are new; the others were
    there before, unchanged. An edge that turns out to be earlier than it was thought
    comes again with a new batch_id. Without that column every build takes all edges.
    With it and without limits the model is a view; see growing_clusters.sql.

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
    {{ run_hooks(pre_hooks) }}

    {% set settings = clusters_settings(sql) %}
    {% set former = former_clusters(settings) %}
    {% if settings.only_grows %}
        {% if former.is_current %}
            {% set target = extend_growing_clusters(former, settings) %}
        {% else %}
            {% set target = replace_growing_clusters(former, settings) %}
        {% endif %}
    {% elif former.is_current %}
        {% set target = this.incorporate(type='table') %}
        {% set rows = rows_of_touched_clusters(target, former, settings) %}
        {% do replace_part(
            target,
            [{'columns': ['node_id'], 'keys': ['node_id'], 'of': rows}],
            rows,
            ['node_id', 'cluster_id', 'is_contested', 'is_undecided', 'batch_id',
             'rules_version'],
        ) %}
    {% else %}
        {% set target = replace_table(rows_of_all_clusters(former, settings)) %}
        {% do drop_growing_clusters() %}
    {% endif %}
    {% do drop_work_tables() %}

    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}


{#- What the model's config says, in one place, and what follows from it. -#}
{% macro clusters_settings(sql) %}
    {%- set columns = get_columns_in_query(sql) -%}
    {%- set settings = {
        'edges': '(' ~ sql ~ ')',
        'has_batches': 'batch_id' in columns,
        'order': (config.get('edge_order') or []) + ['left_id', 'right_id'],
        'limits': ref(config.get('limits')) if config.get('limits') else none,
        'joins': ref(config.get('joins')) if config.get('joins') else none,
        'maximum_nodes': config.get('maximum_nodes'),
        'maximum_rounds': config.get('maximum_rounds', 2000),
    } -%}
    {%- do settings.update({
        'is_limited': settings.limits or settings.maximum_nodes
    }) -%}
    {%- do settings.update({
        'only_grows': settings.has_batches and not settings.is_limited
    }) -%}
    {%- if not settings.has_batches and settings.is_limited -%}
        {#- All edges are looked at, more than once: the select runs only once. -#}
        {%- do settings.update({'edges': create_work_table('edges', sql)}) -%}
    {%- endif -%}
    {%- do settings.update({'units': units_of_joins(settings)}) -%}
    {%- do settings.update({'rules_version': clusters_rules_version(settings)}) -%}
    {{- return(settings) -}}
{% endmacro %}


{#- The work table of the nodes that joins by rule make one; none without joins. -#}
{% macro units_of_joins(settings) %}
    {%- if not settings.joins or count_rows(settings.joins) == 0 -%}
        {{- return(none) -}}
    {%- endif -%}
    {%- do make_joined_units(settings.joins) -%}
    {{- return(work_table('units')) -}}
{% endmacro %}


{#- A number, because every row of the table carries it. -#}
{% macro clusters_rules_version(settings) %}
    {%- set rules = [
        config.get('rules'), settings.order, settings.maximum_nodes,
        settings.limits | string, settings.joins | string,
    ] -%}
    {%- if settings.joins -%}
        {%- do rules.append(content_hash(
            settings.joins, ['left_id', 'right_id'], '1 = 1'
        )) -%}
    {%- endif -%}
    {%- if settings.limits -%}
        {%- do rules.append(content_hash(
            settings.limits, ['node_id', 'limit_key', 'limit_value'],
            'batch_id is null'
        )) -%}
    {%- endif -%}
    {{- return(local_md5(tojson(rules))[:12] | int(base=16)) -}}
{% endmacro %}


{#- The same for the same rows in any order. -#}
{% macro content_hash(relation, columns, condition) %}
    {%- set texts = [] -%}
    {%- for column in columns -%}
        {%- do texts.append('cast(' ~ column ~ ' as ' ~ dbt.type_string() ~ ')') -%}
    {%- endfor -%}
    {%- set hashes = run_query(
        'select count(*) as row_count, sum(cast('
        ~ bigint_hash(texts | join(" || ':' || ")) ~ ' as decimal(38, 0))) as hash_sum '
        ~ 'from ' ~ relation ~ ' where ' ~ condition
    ) -%}
    {{- return(hashes.rows[0].values() | map('string') | list) -}}
{% endmacro %}


{#- What is known of the model as it stands: its greatest batch, and whether it can be
    gone on from. Of a view, the table of names tells. -#}
{% macro former_clusters(settings) %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set known = namespace(batch_id=0, is_current=false) -%}
    {%- set told_by = existing -%}
    {%- if existing is not none and existing.type == 'view' -%}
        {%- set told_by = load_cached_relation(relation_beside('__names')) -%}
    {%- endif -%}
    {%- if told_by is not none -%}
        {%- set columns = [] -%}
        {%- for column in adapter.get_columns_in_relation(told_by) -%}
            {%- do columns.append(column.name | lower) -%}
        {%- endfor -%}
        {%- if 'batch_id' in columns and 'rules_version' in columns -%}
            {%- set stored = run_query(
                'select coalesce(max(batch_id), 0) as batch_id, '
                ~ 'min(rules_version) as least_version, '
                ~ 'max(rules_version) as greatest_version from ' ~ told_by
            ).rows[0].values() -%}
            {%- set known.batch_id = stored[0] | int -%}
            {%- set known.is_current = (
                settings.has_batches
                and settings.only_grows == (existing.type == 'view')
                and not should_full_refresh()
                and stored[1] | int == settings.rules_version
                and stored[2] | int == settings.rules_version
            ) -%}
        {%- endif -%}
    {%- endif -%}
    {{- return(known) -}}
{% endmacro %}
