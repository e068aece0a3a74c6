{#- Makes a table that lives while one model is being built, from a select, and returns
    its relation. `name` is unique within the model; made again, it is replaced. -#}
{% macro create_work_table(name, sql) %}
    {%- do run_statements(create_work_table_statements(name, sql)) -%}
    {{- return(work_table(name)) -}}
{% endmacro %}


{#- The relation of a work table, made or not. -#}
{% macro work_table(name) %}
    {{- return(adapter.dispatch('work_table')(name)) -}}
{% endmacro %}

{% macro duckdb__work_table(name) %}
    {{- return(api.Relation.create(
        identifier=this.identifier ~ '__' ~ name, type='table'
    )) -}}
{% endmacro %}

{#- Spark has no tables of a session, so these have a schema of their own. -#}
{% macro spark__work_table(name) %}
    {{- return(api.Relation.create(
        schema='kith_work', identifier=this.identifier ~ '__' ~ name, type='table'
    )) -}}
{% endmacro %}


{#- The statements that make a work table, to run together with others. -#}
{% macro create_work_table_statements(name, sql) %}
    {{- return(adapter.dispatch('create_work_table_statements')(name, sql)) -}}
{% endmacro %}

{% macro duckdb__create_work_table_statements(name, sql) %}
    {{- return(['create or replace temp table ' ~ work_table(name) ~ ' as ' ~ sql]) -}}
{% endmacro %}

{#- What a build that was killed has left is dropped too. -#}
{% macro spark__create_work_table_statements(name, sql) %}
    {%- set relation = work_table(name) -%}
    {{- return([
        'create schema if not exists ' ~ relation.without_identifier(),
        'drop table if exists ' ~ relation,
        'create table ' ~ relation ~ ' using parquet as ' ~ sql,
    ]) -}}
{% endmacro %}


{#- Runs statements one after the other; their results are nobody's business. -#}
{% macro run_statements(statements) %}
    {{- return(adapter.dispatch('run_statements')(statements)) -}}
{% endmacro %}

{% macro default__run_statements(statements) %}
    {%- for sql in statements -%}
        {% call statement(fetch_result=false, auto_begin=false) %}{{ sql }}{% endcall %}
    {%- endfor -%}
{% endmacro %}

{#- At once, and without dbt's look at the result: on small tables, dbt costs more than
    the statement. -#}
{% macro duckdb__run_statements(statements) %}
    {% call statement(fetch_result=false, auto_begin=false) %}
        {{- statements | join(';\n') -}}
    {% endcall %}
{% endmacro %}


{% macro drop_work_table(relation) %}
    {%- do run_statements(['drop table if exists ' ~ relation]) -%}
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
    {%- set drops = [] -%}
    {%- for name in left.columns[0].values() -%}
        {%- do drops.append(
            'drop table ' ~ api.Relation.create(identifier=name, type='table')
        ) -%}
    {%- endfor -%}
    {%- if drops -%}
        {%- do run_statements(drops) -%}
    {%- endif -%}
{% endmacro %}

{% macro spark__drop_work_tables() %}
    {%- set left = run_query(
        'show tables in ' ~ work_table('').without_identifier()
        ~ " like '" ~ this.identifier ~ "__*'"
    ) -%}
    {%- set drops = [] -%}
    {%- for name in left.columns['tableName'].values() -%}
        {%- do drops.append('drop table ' ~ work_table('').incorporate(
            path={'identifier': name}
        )) -%}
    {%- endfor -%}
    {%- do run_statements(drops) -%}
{% endmacro %}
