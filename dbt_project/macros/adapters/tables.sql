{#- Tables and views on DuckDB: as dbt-duckdb makes them, in one statement where that
    renames, drops and asks in several. -#}

{% materialization table, adapter='duckdb', supported_languages=['sql', 'python'] %}
    {%- if model.language == 'sql' and asks_for_more() -%}
        {{- return(dbt.materialization_table_duckdb()) -}}
    {%- endif -%}
    {{ run_hooks(pre_hooks) }}
    {%- if model.language == 'python' -%}
        {#- Nothing below the materialization may run Python. -#}
        {%- set target = this.incorporate(type='table') -%}
        {%- set made = make_intermediate_relation(target) -%}
        {%- set existing = load_cached_relation(this) -%}
        {% do drop_relation_if_exists(load_cached_relation(made)) %}
        {% call statement('main', language='python') -%}
            {{- create_table_as(False, made, compiled_code, 'python') }}
        {%- endcall %}
        {% do drop_relation_if_exists(existing) %}
        {% do adapter.rename_relation(made, target) %}
        {% do create_indexes(target) %}
        {% do persist_docs(target, model) %}
    {%- else -%}
        {% set target = replace_table(compiled_code) %}
    {%- endif -%}
    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}


{% materialization view, adapter='duckdb' %}
    {%- if asks_for_more() -%}
        {{- return(dbt.materialization_view_default()) -}}
    {%- endif -%}
    {%- set target = this.incorporate(type='view') -%}
    {%- set existing = load_cached_relation(this) -%}
    {{ run_hooks(pre_hooks) }}
    {% call statement('main') -%}
        {%- if existing is not none %}
        drop {{ existing.type }} {{ existing }} cascade;
        {%- endif %}
        {{ get_create_view_as_sql(target, sql) }}
    {%- endcall %}
    {% do persist_docs(target, model) %}
    {{ run_hooks(post_hooks) }}
    {#- Without its own commit the view would be rolled back without a word. -#}
    {% do adapter.commit() %}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}


{#- Whether a model asks for what is left to dbt-duckdb: to be made in Python, by a
    contract, with indexes or in an order, or hooks outside the transaction. -#}
{% macro asks_for_more() %}
    {%- set asked = namespace(
        more=model.language == 'python' or config.get('contract').enforced
    ) -%}
    {%- for name in ['indexes', 'partitioned_by', 'partition_by', 'sorted_by', 'sort_by',
                     'grants'] -%}
        {%- if config.get(name) -%}
            {%- set asked.more = true -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for hook in pre_hooks + post_hooks if not hook.transaction -%}
        {%- set asked.more = true -%}
    {%- endfor -%}
    {{- return(asked.more) -}}
{% endmacro %}
