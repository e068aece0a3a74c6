{#- Null instead of an error where the value does not fit the type. -#}
{%- macro try_cast(expression, data_type) -%}
    {{ adapter.dispatch('try_cast')(expression, data_type) }}
{%- endmacro -%}

{%- macro duckdb__try_cast(expression, data_type) -%}
    try_cast({{ expression }} as {{ data_type }})
{%- endmacro -%}


{#- A quoted literal; quotes inside it are doubled. -#}
{%- macro string_literal(value) -%}
    '{{ value | string | replace("'", "''") }}'
{%- endmacro -%}


{#- A literal list of texts; none becomes a null of that type. -#}
{%- macro text_list(values) -%}
    {{ adapter.dispatch('text_list')(values) }}
{%- endmacro -%}

{%- macro duckdb__text_list(values) -%}
    {%- if values is none -%}
        cast(null as varchar[])
    {%- else -%}
        [
        {%- for value in values -%}
            {{ string_literal(value) }}{{ ', ' if not loop.last }}
        {%- endfor -%}
        ]
    {%- endif -%}
{%- endmacro -%}


{%- macro list_contains(list, value) -%}
    {{ adapter.dispatch('list_contains')(list, value) }}
{%- endmacro -%}

{%- macro duckdb__list_contains(list, value) -%}
    list_contains({{ list }}, {{ value }})
{%- endmacro -%}
