{#- Null instead of an error where the value does not fit the type. -#}
{%- macro try_cast(expression, data_type) -%}
    {{ adapter.dispatch('try_cast')(expression, data_type) }}
{%- endmacro -%}

{%- macro duckdb__try_cast(expression, data_type) -%}
    try_cast({{ expression }} as {{ data_type }})
{%- endmacro -%}

{#- Spark reads no fraction where a whole number is asked for, and takes letters after a
    number (1d) and digits of other scripts for one. What differs still: a whole number
    as a text like 0x1f or 0b1 is one on DuckDB only. -#}
{%- macro spark__try_cast(expression, data_type) -%}
    {%- set type = type_name(data_type) -%}
    {%- set number = "case when " ~ expression ~ " rlike '(?i)^\\\\s*[+-]?([0-9_]*[.]?"
        ~ "[0-9_]*(e[+-]?[0-9]+)?|inf|infinity|nan)\\\\s*$' then regexp_replace("
        ~ expression ~ ", '(?<=[0-9])_(?=[0-9])', '') end" -%}
    {%- if type in ['tinyint', 'smallint', 'int', 'bigint'] -%}
        try_cast(round(try_cast({{ number }} as decimal(38, 10))) as {{ type }})
    {%- elif type == 'double' or type.startswith('decimal') -%}
        try_cast({{ number }} as {{ type }})
    {%- else -%}
        try_cast({{ expression }} as {{ type }})
    {%- endif -%}
{%- endmacro -%}


{#- A column's type as the yml names it (DuckDB's names), in the engine's own name. -#}
{%- macro type_name(data_type) -%}
    {{- return(adapter.dispatch('type_name')(data_type)) -}}
{%- endmacro -%}

{%- macro duckdb__type_name(data_type) -%}
    {{- return(data_type) -}}
{%- endmacro -%}

{%- macro spark__type_name(data_type) -%}
    {%- set type = data_type | lower | trim -%}
    {%- if type.endswith('[]') -%}
        {{- return('array<' ~ spark__type_name(type[:-2]) ~ '>') -}}
    {%- endif -%}
    {%- set names = {
        'varchar': 'string', 'text': 'string', 'json': 'string', 'uuid': 'string',
        'integer': 'int', 'hugeint': 'decimal(38, 0)', 'real': 'float',
        'timestamp': 'timestamp_ntz', 'timestamptz': 'timestamp',
        'timestamp with time zone': 'timestamp', 'blob': 'binary',
    } -%}
    {{- return(names.get(type, type)) -}}
{%- endmacro -%}


{#- A quoted literal. (dbt's own string_literal, of what is escaped already, is found by
    the same name: its forms are not to be replaced.) -#}
{%- macro string_literal(value) -%}
    {{- return(adapter.dispatch('text_literal')(value)) -}}
{%- endmacro -%}

{%- macro default__text_literal(value) -%}
    {{- return("'" ~ value | string | replace("'", "''") ~ "'") -}}
{%- endmacro -%}

{#- A backslash begins an escape. -#}
{%- macro spark__text_literal(value) -%}
    {{- return(
        "'" ~ value | string | replace('\\', '\\\\') | replace("'", "\\'") ~ "'"
    ) -}}
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

{%- macro spark__text_list(values) -%}
    {%- if values is none -%}
        cast(null as array<string>)
    {%- elif not values -%}
        cast(array() as array<string>)
    {%- else -%}
        array(
        {%- for value in values -%}
            {{ string_literal(value) }}{{ ', ' if not loop.last }}
        {%- endfor -%}
        )
    {%- endif -%}
{%- endmacro -%}


{%- macro list_contains(list, value) -%}
    {{ adapter.dispatch('list_contains')(list, value) }}
{%- endmacro -%}

{%- macro duckdb__list_contains(list, value) -%}
    list_contains({{ list }}, {{ value }})
{%- endmacro -%}

{%- macro spark__list_contains(list, value) -%}
    array_contains({{ list }}, {{ value }})
{%- endmacro -%}


{#- A contract's comparison of columns: names of types as the engine has them. -#}
{%- macro spark__get_empty_schema_sql(columns) -%}
    {%- set named = {} -%}
    {%- for name, column in columns.items() -%}
        {%- do named.update({
            name: dict(column, data_type=type_name(column.data_type))
        }) -%}
    {%- endfor -%}
    {{- return(default__get_empty_schema_sql(named)) -}}
{%- endmacro -%}
