{#- Incremental models on Spark, by the strategies that Kith's models use on every engine:
    `append`, `delete+insert`, and `touched_nodes` of macros/identity. Parquet tables,
    which know no delete, are rewritten; those of Delta and Iceberg are changed in place. -#}
{% materialization incremental, adapter='spark' %}
    {%- set existing = load_cached_relation(this) -%}
    {%- set target_relation = this.incorporate(type='table') -%}

    {{ run_hooks(pre_hooks) }}

    {% if existing is none or existing.type != 'table' or should_full_refresh() %}
        {% do drop_relation_if_exists(existing) %}
        {% call statement('main') -%}
            {{ create_table_as(false, target_relation, compiled_code) }}
        {%- endcall %}
    {% else %}
        {% set rows = create_work_table('rows', compiled_code) %}
        {% set columns = adapter.get_columns_in_relation(existing) | map(attribute='name') | list %}
        {% set going = rows_to_replace(rows, config.get('incremental_strategy')) %}
        {% do replace_rows(target_relation, going, rows, columns) %}
        {% call statement('main') -%}
            select count(*) as row_count from {{ rows }}
        {%- endcall %}
        {% do drop_work_tables() %}
    {% endif %}
    {% do persist_docs(target_relation, model) %}

    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{#- Which rows of the model's table the new ones take the place of; see replace_rows. -#}
{% macro rows_to_replace(rows, strategy) %}
    {%- set keys = config.get('unique_key') or [] -%}
    {%- set keys = [keys] if keys is string else keys -%}
    {%- if strategy == 'append' -%}
        {{- return([]) -}}
    {%- elif strategy == 'delete+insert' and keys -%}
        {{- return([{'columns': keys, 'keys': keys, 'of': rows}]) -}}
    {%- elif strategy == 'touched_nodes' -%}
        {{- return(touched_rows(keys)) -}}
    {%- endif -%}
    {{- exceptions.raise_compiler_error(
        'An incremental model has the incremental_strategy append, delete+insert (with a '
        ~ 'unique_key) or touched_nodes on Spark, not ' ~ strategy ~ '.'
    ) -}}
{% endmacro %}


{#- Whether tables that are made by profile take up only what has changed. On Spark that
    has not been tried: they are made anew. -#}
{% macro takes_up_profiles() %}
    {{- return(adapter.dispatch('takes_up_profiles')()) -}}
{% endmacro %}

{% macro default__takes_up_profiles() %}
    {{- return(true) -}}
{% endmacro %}

{% macro spark__takes_up_profiles() %}
    {{- return(false) -}}
{% endmacro %}
