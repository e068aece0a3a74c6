{#-
    JSON held as text. A path leads from the root through keys: `'address.city'`, or as a
    list where a key may itself contain a dot: `['address.city']`.
-#}

{#- The value at a path as text: strings without their quotes, null for JSON null. -#}
{%- macro json_text(column, path) -%}
    {{ adapter.dispatch('json_text')(column, path) }}
{%- endmacro -%}

{%- macro duckdb__json_text(column, path) -%}
    json_extract_string({{ column }}, {{ json_path(path) }})
{%- endmacro -%}


{#- null, boolean, number, string, array or object; SQL null where nothing is found. -#}
{%- macro json_type_of(column, path) -%}
    {{ adapter.dispatch('json_type_of')(column, path) }}
{%- endmacro -%}

{%- macro duckdb__json_type_of(column, path) -%}
    {{ duckdb_json_type_name('json_type(' ~ column ~ ', ' ~ json_path(path) ~ ')') }}
{%- endmacro -%}


{#-
    One row per key of a JSON object: `key`, `value` (text) and `type` (as json_type_of).

        from events
        cross join lateral {{ json_each('events.properties') }} as property
-#}
{%- macro json_each(column) -%}
    {{ adapter.dispatch('json_each')(column) }}
{%- endmacro -%}

{%- macro duckdb__json_each(column) -%}
    (
        select
            key,
            json_extract_string(value, '$') as value,
            {{ duckdb_json_type_name('type') }} as type
        from json_each({{ column }})
    )
{%- endmacro -%}


{%- macro duckdb_json_type_name(type) -%}
    case {{ type }}
        when 'NULL' then 'null'
        when 'BOOLEAN' then 'boolean'
        when 'VARCHAR' then 'string'
        when 'ARRAY' then 'array'
        when 'OBJECT' then 'object'
        when 'BIGINT' then 'number'
        when 'UBIGINT' then 'number'
        when 'DOUBLE' then 'number'
    end
{%- endmacro -%}


{#- A path as a quoted JSONPath literal: 'a.b' becomes '$."a"."b"'. -#}
{%- macro json_path(path) -%}
    {%- set keys = path.split('.') if path is string else path -%}
    {{ string_literal('$."' ~ keys | join('"."') ~ '"') }}
{%- endmacro -%}
