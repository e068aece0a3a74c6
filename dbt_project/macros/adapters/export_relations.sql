{#-
    The hook at the end of a run. The published database reads the files of an engine; what
    has no plain Parquet among them is written as such here: views, and tables in another
    format. Nothing where the warehouse is one file that is published as it is.
-#}
{% macro export_relations() %}
    {%- if execute and flags.WHICH in ('build', 'run') -%}
        {%- do adapter.dispatch('export_relations')() -%}
    {%- endif -%}
{% endmacro %}

{% macro default__export_relations() %}
{% endmacro %}

{% macro spark__export_relations() %}
    {%- set place = env_var('KITH_DATA_DIR', '../data') ~ '/spark/exports' -%}
    {%- for node in graph.nodes.values()
        if node.resource_type in ('model', 'seed', 'snapshot')
        and node.config.materialized != 'ephemeral'
    -%}
        {%- set relation = adapter.get_relation(none, node.schema, node.alias) -%}
        {%- if relation is not none and (
            relation.is_view or node.config.get('file_format') not in (none, 'parquet')
        ) -%}
            {%- set directory = place ~ '/' ~ node.schema ~ '/' ~ node.alias -%}
            {%- do run_query(
                'insert overwrite directory ' ~ string_literal(directory)
                ~ ' using parquet select * from ' ~ relation
            ) -%}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}
