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

{%- macro spark__json_text(column, path) -%}
    {%- set steps = spark_json_steps(path) -%}
    {%- if steps is none -%}
        get({{ spark_json_member(column, path) }}, 0).value
    {%- elif not steps -%}
        {{ column }}
    {%- else -%}
        {%- set found -%}
            get_json_object({{ column }}, {{ string_literal('$' ~ steps) }})
        {%- endset -%}
        case
            when {{ found }} rlike {{ spark_json_doubt() }}
                then {{ spark_json_with(
                    spark_json_written(spark_json_marked(column), steps),
                    'written',
                    spark_json_unmarked(
                        "case when written like '\"%' then "
                        ~ "get_json_object(written, '$') else written end"
                    ),
                ) }}
            else {{ found }}
        end
    {%- endif -%}
{%- endmacro -%}


{#- The values at several paths, each as json_text gives it, as a list: the document is
    read once, which is what takes the time. -#}
{%- macro json_texts(column, paths) -%}
    {{ adapter.dispatch('json_texts')(column, paths) }}
{%- endmacro -%}

{%- macro duckdb__json_texts(column, paths) -%}
    json_extract_string({{ column }}, [
        {%- for path in paths -%}
            {{ json_path(path) }}{{ ', ' if not loop.last }}
        {%- endfor -%}
    ])
{%- endmacro -%}

{%- macro spark__json_texts(column, paths) -%}
    case
        when {{ column }} is not null
            then array(
                {%- for path in paths -%}
                    {{ json_text(column, path) }}{{ ', ' if not loop.last }}
                {%- endfor -%}
            )
    end
{%- endmacro -%}


{#- null, boolean, number, string, array or object; SQL null where nothing is found. -#}
{%- macro json_type_of(column, path) -%}
    {{ adapter.dispatch('json_type_of')(column, path) }}
{%- endmacro -%}

{%- macro duckdb__json_type_of(column, path) -%}
    {{ duckdb_json_type_name('json_type(' ~ column ~ ', ' ~ json_path(path) ~ ')') }}
{%- endmacro -%}

{#- The first character of what is written there tells it; Spark writes nothing where
    null is written, nor where nothing is. -#}
{%- macro spark__json_type_of(column, path) -%}
    {%- set steps = spark_json_steps(path) -%}
    {%- if steps is none -%}
        get({{ spark_json_member(column, path) }}, 0).type
    {%- else -%}
        coalesce(
            case translate(
                substr({{ spark_json_written(column, steps) }}, 1, 1), 'f-123456789', 't0000000000'
            )
                when '"' then 'string'
                when '0' then 'number'
                when 't' then 'boolean'
                when '{' then 'object'
                when '[' then 'array'
            end
            {%- if steps %},
            case
                when
                    contains({{ column }}, 'null')
                    and array_contains(
                        json_object_keys({{
                            spark_json_written(
                                column, spark_json_steps(spark_json_keys(path)[:-1])
                            )
                        }}),
                        {{ string_literal(spark_json_keys(path)[-1]) }}
                    )
                    then 'null'
            end
            {%- endif %}
        )
    {%- endif -%}
{%- endmacro -%}


{#- The type of a member that a column names, as json_type_of, but for what is neither
    null nor absent any word will do. -#}
{%- macro json_member_type(document, key) -%}
    {{ adapter.dispatch('json_member_type')(document, key) }}
{%- endmacro -%}

{#- A JSON pointer, because it has a form for every key. -#}
{%- macro duckdb__json_member_type(document, key) -%}
    lower(json_type(
        {{ document }},
        '/' || replace(replace({{ key }}, '~', '~0'), '/', '~1')
    ))
{%- endmacro -%}

{%- macro spark__json_member_type(document, key) -%}
    get(
        transform(
            array(from_json({{ document }}, 'map<string, string>')),
            members -> case
                when members[{{ key }}] is not null then 'value'
                when map_contains_key(members, {{ key }}) then 'null'
            end
        ),
        0
    )
{%- endmacro -%}


{#-
    One row per key of a JSON object: `key`, `value` (text) and `type` (as json_type_of).
    Of an array, one row per element; its key is its index.

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

{%- macro spark__json_each(column) -%}
    (
        select
            inline(case
                when {{ column }} like '[%' then {{ spark_json_elements(column) }}
                else {{ spark_json_members(column) }}
            end)
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


{#- A path as a quoted JSONPath literal: 'a.b' becomes '$."a"."b"', no key the root. -#}
{%- macro json_path(path) -%}
    {%- set keys = path.split('.') if path is string else path -%}
    {%- if keys -%}
        {{ string_literal('$."' ~ keys | join('"."') ~ '"') }}
    {%- else -%}
        '$'
    {%- endif -%}
{%- endmacro -%}
