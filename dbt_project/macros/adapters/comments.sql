{#- Comments a table or view and its columns on DuckDB, in one call: dbt-duckdb asks twice
    which columns there are and comments in two statements more, and each of these costs
    dbt more time than DuckDB takes for all. -#}
{% macro duckdb__persist_docs(relation, model, for_relation, for_columns) %}
    {%- set comments = [] -%}
    {%- if for_relation and config.persist_relation_docs() and model.description -%}
        {%- do comments.append(
            relation.type ~ ' ' ~ relation ~ ' is '
            ~ duckdb_escape_comment(model.description)
        ) -%}
    {%- endif -%}
    {%- if for_columns and config.persist_column_docs() and model.columns -%}
        {%- set names = get_columns_in_relation(relation) | map(attribute='name') | list -%}
        {%- set described = validate_doc_columns(relation, model.columns, names) -%}
        {%- for name, column in described.items() -%}
            {%- do comments.append(
                'column ' ~ relation ~ '.' ~ adapter.quote(name) ~ ' is '
                ~ duckdb_escape_comment(column['description'])
            ) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- if comments -%}
        {%- do run_statements(['comment on ' ~ comments | join(';\ncomment on ')]) -%}
    {%- endif -%}
{% endmacro %}
