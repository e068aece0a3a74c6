{#- What a materialization does with rows that it computed in work tables: puts the rows of
    `sql` in place of the model's table, in one step for its readers. After the post-hooks
    the materialization commits: without that all would be rolled back without a word. -#}
{% macro replace_table(sql) %}
    {{- return(adapter.dispatch('replace_table')(sql)) -}}
{% endmacro %}

{% macro default__replace_table(sql) %}
    {%- set target = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set intermediate = make_intermediate_relation(target) -%}
    {%- set backup = make_backup_relation(target, 'table') -%}
    {%- set grants = config.get('grants') -%}
    {{ drop_relation_if_exists(load_cached_relation(intermediate)) }}
    {{ drop_relation_if_exists(load_cached_relation(backup)) }}
    {% call statement('main') -%}
        {{ create_table_as(false, intermediate, sql) }}
    {%- endcall %}
    {% if existing is not none %}
        {% do adapter.rename_relation(existing, backup) %}
    {% endif %}
    {% do adapter.rename_relation(intermediate, target) %}
    {% do apply_grants(target, grants, should_revoke=should_revoke(existing, true)) %}
    {% do persist_docs(target, model) %}
    {#- Without its own commit the new table would be rolled back without a word. -#}
    {% do adapter.commit() %}
    {{ drop_relation_if_exists(backup) }}
    {{- return(target) -}}
{% endmacro %}

{#- In one call, and without dbt's macros for renames: each of these costs dbt as much as
    all the rest. -#}
{% macro duckdb__replace_table(sql) %}
    {%- set target = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set intermediate = make_intermediate_relation(target) -%}
    {% call statement('main') -%}
        {{ create_table_as(false, intermediate, sql) }};
        {%- if existing is not none %}
        drop {{ existing.type }} {{ existing }} cascade;
        {%- endif %}
        alter table {{ intermediate }} rename to {{ adapter.quote(target.identifier) }};
    {%- endcall %}
    {% do persist_docs(target, model) %}
    {{- return(target) -}}
{% endmacro %}

{#- A table of Parquet cannot be replaced: the new one takes its name when all its rows
    are there. Delta and Iceberg know how to. -#}
{% macro spark__replace_table(sql) %}
    {%- set target = this.incorporate(type='table') -%}
    {%- set existing = load_cached_relation(this) -%}
    {%- set is_replaced = can_merge_rows() and (
        existing is none or existing.type == 'table'
    ) -%}
    {%- set made = target if is_replaced else make_intermediate_relation(target) -%}
    {% if not is_replaced %}
        {% do run_statements(['drop table if exists ' ~ made]) %}
    {% endif %}
    {% call statement('main') -%}
        {{ create_table_as(false, made, sql) }}
    {%- endcall %}
    {% if not is_replaced %}
        {{ drop_relation_if_exists(existing) }}
        {% do adapter.rename_relation(made, target) %}
    {% endif %}
    {% do apply_grants(
        target, config.get('grants'), should_revoke=should_revoke(existing, true)
    ) %}
    {% do persist_docs(target, model) %}
    {{- return(target) -}}
{% endmacro %}


{#- The same with rows for a part of the model's table: puts them in place of those that
    go; see replace_rows. -#}
{% macro replace_part(target, going, rows, columns) %}
    {#- dbt asks for a main statement; where there are transactions, it begins one. -#}
    {% call statement('main') -%}
        select count(*) as row_count from {{ rows }}
    {%- endcall %}
    {% do replace_rows(target, going, rows, columns) %}
{% endmacro %}
