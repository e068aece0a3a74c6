{#- What is wrong in `vars: identifier_tables`. -#}
{% macro identifier_table_problems() %}
    {%- set known = ['model', 'source', 'key', 'seen_at', 'columns'] -%}
    {%- set problems = [] -%}
    {%- if not is_list(var('identifier_tables')) -%}
        {{- return(problems) -}}
    {%- endif -%}
    {%- set seen = [] -%}
    {%- for table in var('identifier_tables') -%}
        {%- set entry = 'identifier_tables: entry ' ~ loop.index ~ ': ' -%}
        {%- set told = [] -%}
        {%- if table is not mapping -%}
            {%- do told.append('an entry is {model: …, key: …, columns: […]}.') -%}
        {%- else -%}
            {%- do told.extend(unknown_keys(table, known)) -%}
            {%- do told.extend(table_name_problems(table)) -%}
            {%- set name = table.get('model') or table.get('source') -%}
            {%- if name in seen -%}
                {%- do told.append('this table stands twice.') -%}
            {%- endif -%}
            {%- do seen.append(name) -%}
            {%- if not is_column_name(table.get('key')) -%}
                {%- do told.append('`key` is the column that tells the rows apart.') -%}
            {%- endif -%}
            {%- if 'seen_at' in table and not is_column_name(table.seen_at) -%}
                {%- do told.append(
                    '`seen_at` is the column that says since when a row is known.'
                ) -%}
            {%- endif -%}
            {%- do told.extend(table_column_problems(table.get('columns'))) -%}
        {%- endif -%}
        {%- for problem in told -%}
            {%- do problems.append(entry ~ problem) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(problems) -}}
{% endmacro %}


{% macro table_name_problems(table) %}
    {%- set model = table.get('model') -%}
    {%- set source = table.get('source') -%}
    {%- set is_model = model is string and model | length > 0 -%}
    {%- set is_source = is_list(source) and source | length == 2 -%}
    {%- if (
        ('model' in table) == ('source' in table)
        or ('model' in table and not is_model)
        or ('source' in table and not is_source)
    ) -%}
        {{- return([
            'a table is named by `model: name` or by `source: [source, table]`.'
        ]) -}}
    {%- endif -%}
    {{- return([]) -}}
{% endmacro %}


{% macro table_column_problems(columns) %}
    {%- set example = 'e.g. [{type: email, column: email_address}].' -%}
    {%- if not is_list(columns) or not columns -%}
        {{- return(['`columns` says which columns hold identifiers, ' ~ example]) -}}
    {%- endif -%}
    {%- set types = declared_types() -%}
    {%- set problems = [] -%}
    {%- for column in columns -%}
        {%- if column is not mapping or not is_column_name(column.get('column')) -%}
            {%- do problems.append('`columns` is a list of types and columns, ' ~ example) -%}
        {%- else -%}
            {%- do problems.extend(unknown_keys(column, ['type', 'column'])) -%}
            {%- if column.get('type') not in types -%}
                {%- do problems.append(
                    "unknown type '" ~ column.get('type') ~ "'. Types of `identifiers`: "
                    ~ types | join(', ') ~ '.'
                ) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(problems) -}}
{% endmacro %}


{% macro declared_types() %}
    {%- set types = [] -%}
    {%- if is_list(var('identifiers')) -%}
        {%- for identifier in var('identifiers') if identifier is mapping -%}
            {%- do types.append(identifier.get('type')) -%}
        {%- endfor -%}
    {%- endif -%}
    {{- return(types | unique | list) -}}
{% endmacro %}


{% macro types_of_tables() %}
    {%- set types = [] -%}
    {%- if is_list(var('identifier_tables')) -%}
        {%- for table in var('identifier_tables') if table is mapping -%}
            {%- if is_list(table.get('columns')) -%}
                {%- for column in table.columns if column is mapping -%}
                    {%- do types.append(column.get('type')) -%}
                {%- endfor -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    {{- return(types) -}}
{% endmacro %}


{% macro is_column_name(value) %}
    {{- return(
        value is string
        and modules.re.match('^[A-Za-z_][A-Za-z0-9_]*$', value) is not none
    ) -}}
{% endmacro %}
