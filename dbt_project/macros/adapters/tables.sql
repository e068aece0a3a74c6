{#- Tables and views on DuckDB: as dbt-duckdb makes them, in one statement where that
    renames, drops and asks in several. -#}

{% materialization table, adapter='duckdb', supported_languages=['sql', 'python'] %}
    {%- if model.language == 'python' -%}
        {{- return(dbt.materialization_table_duckdb()) -}}
    {%- endif -%}
    {{ run_hooks(pre_hooks) }}
    {% set target = replace_table(compiled_code) %}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}


{% materialization view, adapter='duckdb' %}
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
