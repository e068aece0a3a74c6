
{%- macro spark__json_renamed(column, renames) -%}{{ column }}{%- endmacro -%}
{%- macro spark__json_element_text(column, path, conditions, key) -%}cast(null as string){%- endmacro -%}
{%- macro spark__json_places(column) -%}
    (select key as path, cast(value as string) as value, schema_of_variant(value) as type from variant_explode(parse_json({{ column }})))
{%- endmacro -%}
{%- macro spark__json_without(document, paths) -%}{{ document }}{%- endmacro -%}
{%- macro spark__json_without_keys(document, keys) -%}{{ document }}{%- endmacro -%}
{% macro spark__run_statements(statements) %}
    {%- for sql in statements -%}
        {% call statement(fetch_result=false, auto_begin=false) %}{{ sql }}{% endcall %}
    {%- endfor -%}
{% endmacro %}
{% macro spark__work_table(name) %}
    {{- return(api.Relation.create(schema='kith_work', identifier=this.identifier ~ '__' ~ name, type='table')) -}}
{% endmacro %}
{% macro spark__create_work_table_statement(name, sql) %}
    {{- return('create table ' ~ work_table(name) ~ ' using parquet as ' ~ sql) -}}
{% endmacro %}
{% macro spark__drop_work_tables() %}
{% endmacro %}
