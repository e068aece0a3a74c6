{#- dbt's cast of a value in a unit test's rows; a list there is one of texts. -#}
{%- macro duckdb__safe_cast(field, type) -%}
    {{- return(default__safe_cast(cell(field), type)) -}}
{%- endmacro -%}

{%- macro spark__safe_cast(field, type) -%}
    {{- return(default__safe_cast(cell(field), type)) -}}
{%- endmacro -%}

{%- macro cell(field) -%}
    {%- set is_list = field is sequence and field is not string -%}
    {{- return(text_list(field) if is_list else field) -}}
{%- endmacro -%}


{#- A unit test's text between single quotes, where a backslash begins an escape. -#}
{%- macro spark__escape_single_quotes(expression) -%}
    {{- return(expression | replace('\\', '\\\\') | replace("'", "\\'")) -}}
{%- endmacro -%}
