{#- Ends a materialization that computed its rows in work tables: puts the rows of `sql`
    in place of the model's table, in one step for its readers. -#}
{% macro replace_table(sql) %}
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
