{#- Makes a table that lives while one model is being built, from a select, and returns
    its relation. `name` is unique within the model; made again, it is replaced. -#}
{% macro create_work_table(name, sql) %}
    {{- return(adapter.dispatch('create_work_table')(name, sql)) -}}
{% endmacro %}

{% macro duckdb__create_work_table(name, sql) %}
    {%- set relation = api.Relation.create(
        identifier=this.identifier ~ '__' ~ name, type='table'
    ) -%}
    {%- do run_query('create or replace temp table ' ~ relation ~ ' as ' ~ sql) -%}
    {{- return(relation) -}}
{% endmacro %}


{% macro drop_work_table(relation) %}
    {%- do run_query('drop table if exists ' ~ relation) -%}
{% endmacro %}


{#- Drops what create_work_table made for this model and nobody dropped. -#}
{% macro drop_work_tables() %}
    {{- return(adapter.dispatch('drop_work_tables')()) -}}
{% endmacro %}

{% macro duckdb__drop_work_tables() %}
    {%- set left = run_query(
        "select table_name from duckdb_tables() where temporary and starts_with("
        ~ "table_name, '" ~ this.identifier ~ "__')"
    ) -%}
    {%- for name in left.columns[0].values() -%}
        {%- do drop_work_table(api.Relation.create(identifier=name, type='table')) -%}
    {%- endfor -%}
{% endmacro %}
