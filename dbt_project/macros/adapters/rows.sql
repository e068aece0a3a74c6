{#- Exchanges rows of a table: on DuckDB within the transaction of the model, on Spark as
    told below.

    `going` says which rows go, as a list of {'columns': [...], 'keys': [...], 'of': ...}:
    those whose `columns` are equal to the `keys` of a row of the relation `of`. The rows
    of the relation `rows` come in their place. `columns` are the table's. -#}
{% macro replace_rows(target, going, rows, columns) %}
    {{- return(adapter.dispatch('replace_rows')(target, going, rows, columns)) -}}
{% endmacro %}

{% macro duckdb__replace_rows(target, going, rows, columns) %}
    {%- do run_query(delete_of_rows(target, going)) -%}
    {%- do run_query(insert_of_rows(target, rows, columns)) -%}
{% endmacro %}

{#- Parquet knows no delete: the rows that stay are written anew with those that come, and
    that table takes the name. A build that is killed just then leaves no table, and the
    next one makes it from raw facts. (Of audience_changes, which cannot be made so, no
    row ever goes.) -#}
{% macro spark__replace_rows(target, going, rows, columns) %}
    {%- if not going -%}
        {%- do run_statements([insert_of_rows(target, rows, columns)]) -%}
    {%- elif can_merge_rows() -%}
        {%- do run_statements(merges_of_rows(target, going, rows, columns)) -%}
    {%- else -%}
        {%- set names = quoted_names(columns) -%}
        {%- do rewrite_table(target,
            'select kept.' ~ names | join(', kept.') ~ ' from ' ~ target ~ ' as kept '
            ~ anti_joins(going) ~ ' union all select ' ~ names | join(', ') ~ ' from ' ~ rows
        ) -%}
    {%- endif -%}
{% endmacro %}


{#- For a hook: the statement that deletes the rows that a condition holds for, or
    nothing where that took statements of its own, which are done. -#}
{% macro deletion_of_rows(target, condition) %}
    {{- return(adapter.dispatch('deletion_of_rows')(target, condition)) -}}
{% endmacro %}

{% macro duckdb__deletion_of_rows(target, condition) %}
    {{- return('delete from ' ~ target ~ ' where ' ~ condition) -}}
{% endmacro %}

{% macro spark__deletion_of_rows(target, condition) %}
    {%- set found = run_query(
        'select 1 as found from ' ~ target ~ ' where ' ~ condition ~ ' limit 1'
    ) -%}
    {%- if found.rows | length -%}
        {%- do rewrite_table(
            target,
            'select * from ' ~ target ~ ' where not coalesce(' ~ condition ~ ', false)'
        ) -%}
    {%- endif -%}
    {{- return('') -}}
{% endmacro %}


{#- Whether single rows of this target's tables can be exchanged, and whole tables replaced
    while they are read. Parquet knows neither. -#}
{% macro can_merge_rows() %}
    {{- return(config.get('file_format') in ['delta', 'iceberg']) -}}
{% endmacro %}


{#- The statements that exchange rows by merging, as Delta takes no `delete` with a
    subquery. Each is whole or not there at all. The rows come with the last: where some
    are gone and none has come, the next build, which asks the table how far it has got,
    does the same again. -#}
{% macro merges_of_rows(target, going, rows, columns) %}
    {%- set statements = [] -%}
    {%- for one in going -%}
        {%- set gone = [] -%}
        {%- set nothing = [] -%}
        {%- set equal = [] -%}
        {%- for key in quoted_names(one['keys']) -%}
            {%- do gone.append(key ~ ' as gone_' ~ loop.index) -%}
            {%- do nothing.append('null') -%}
            {%- do equal.append(
                'kept.' ~ quoted_names(one.columns)[loop.index0]
                ~ ' = came.gone_' ~ loop.index
            ) -%}
        {%- endfor -%}
        {%- set sources = ['select distinct ' ~ gone | join(', ')] -%}
        {%- set insertion = '' -%}
        {%- if loop.last -%}
            {%- set names = quoted_names(columns) -%}
            {%- set sources = [
                sources[0] ~ ', true as is_gone, null as '
                ~ names | join(', null as ') ~ ' from ' ~ one.of,
                'select ' ~ nothing | join(', ') ~ ', false, '
                ~ names | join(', ') ~ ' from ' ~ rows,
            ] -%}
            {%- set insertion = ' when not matched and not came.is_gone then insert ('
                ~ names | join(', ') ~ ') values (came.' ~ names | join(', came.') ~ ')' -%}
        {%- else -%}
            {%- set sources = [sources[0] ~ ' from ' ~ one.of] -%}
        {%- endif -%}
        {%- do statements.append(
            'merge into ' ~ target ~ ' as kept using ('
            ~ sources | join(' union all ') ~ ') as came on ' ~ equal | join(' and ')
            ~ ' when matched then delete' ~ insertion
        ) -%}
    {%- endfor -%}
    {{- return(statements) -}}
{% endmacro %}


{#- Puts the rows of a select, which may read the table itself, in the table's place. -#}
{% macro rewrite_table(target, sql) %}
    {%- if can_merge_rows() -%}
        {{- return(run_statements([create_table_as(false, target, sql)])) -}}
    {%- endif -%}
    {%- set rewritten = target.incorporate(
        path={'identifier': target.identifier ~ '__rewritten'}, type='table'
    ) -%}
    {%- do run_statements([
        'drop table if exists ' ~ rewritten,
        create_table_as(false, rewritten, sql),
        'drop table ' ~ target,
        'alter table ' ~ rewritten ~ ' rename to ' ~ target,
    ]) -%}
{% endmacro %}


{% macro delete_of_rows(target, going) %}
    {%- set conditions = [] -%}
    {%- for rows in going -%}
        {%- do conditions.append(
            '(' ~ quoted_names(rows.columns) | join(', ') ~ ') in (select '
            ~ quoted_names(rows['keys']) | join(', ') ~ ' from ' ~ rows.of ~ ')'
        ) -%}
    {%- endfor -%}
    {{- return(
        'delete from ' ~ target ~ ' where ' ~ (conditions | join(' or ') or '1 = 0')
    ) -}}
{% endmacro %}


{% macro insert_of_rows(target, rows, columns) %}
    {%- set names = quoted_names(columns) | join(', ') -%}
    {{- return(
        'insert into ' ~ target ~ ' (' ~ names ~ ') select ' ~ names ~ ' from ' ~ rows
    ) -}}
{% endmacro %}


{% macro anti_joins(going) %}
    {%- set joins = [] -%}
    {%- for rows in going -%}
        {%- set gone = 'gone_' ~ loop.index -%}
        {%- set columns = quoted_names(rows.columns) -%}
        {%- set equal = [] -%}
        {%- for key in quoted_names(rows['keys']) -%}
            {%- do equal.append(
                'kept.' ~ columns[loop.index0] ~ ' = ' ~ gone ~ '.' ~ key
            ) -%}
        {%- endfor -%}
        {%- do joins.append(
            'left anti join ' ~ rows.of ~ ' as ' ~ gone ~ ' on ' ~ equal | join(' and ')
        ) -%}
    {%- endfor -%}
    {{- return(joins | join(' ')) -}}
{% endmacro %}


{% macro quoted_names(columns) %}
    {%- set names = [] -%}
    {%- for column in columns -%}
        {%- do names.append(adapter.quote(column)) -%}
    {%- endfor -%}
    {{- return(names) -}}
{% endmacro %}
