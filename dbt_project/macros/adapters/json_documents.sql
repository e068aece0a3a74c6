{#- The text where it is a JSON object, else null: nothing that is read of it can fail. -#}
{%- macro valid_json_object(text) -%}
    {{ adapter.dispatch('valid_json_object')(text) }}
{%- endmacro -%}

{%- macro duckdb__valid_json_object(text) -%}
    case
        when json_valid({{ text }})
            then case json_type({{ text }}) when 'OBJECT' then {{ text }} end
    end
{%- endmacro -%}

{#- Spark reads a value and leaves what follows it unread. Two frames show that nothing
    does: what goes on in one of them has no end in the other. (An object that has a key
    twice is none here; the collector writes none.) -#}
{%- macro spark__valid_json_object(text) -%}
    case
        when
            startswith(ltrim({{ text }}), '{')
            and try_parse_json('[' || {{ text }} || ']') is not null
            and try_parse_json('{"":' || {{ text }} || '}') is not null
            then {{ text }}
    end
{%- endmacro -%}


{#-
    One row per place in a JSON object, however deep: `path`, `type` (as json_type_of) and
    `value` (text). Keys are joined by dots, `[]` stands for each element of an array:
    `address.city`, `products[].price`.

        from events
        cross join lateral {{ json_places('events.properties') }} as place
-#}
{%- macro json_places(column) -%}
    {{ adapter.dispatch('json_places')(column) }}
{%- endmacro -%}

{%- macro duckdb__json_places(column) -%}
    (
        select
            replace(
                regexp_replace(substr(fullkey, 3), '\[\d+\]', '[]', 'g'), '"', ''
            ) as path,
            {{ duckdb_json_type_name('type') }} as type,
            json_extract_string(value, '$') as value
        from json_tree({{ column }})
        where parent is not null
    )
{%- endmacro -%}


{#-
    A JSON object without the properties at `paths`, a list of texts as json_places gives
    them. An element of an array cannot be told from its neighbours, so a path into an
    array holds for all of them, and one that ends in `[]` removes the array. Of arrays
    inside each other the inner one goes as a whole.

    The expression takes an engine seconds to read, so it should stand in few queries.
-#}
{%- macro json_without(document, paths) -%}
    {{ adapter.dispatch('json_without')(document, paths) }}
{%- endmacro -%}

{%- macro duckdb__json_without(document, paths) -%}
    list_reduce(
        {{ paths }},
        lambda document, path: {{ duckdb_json_without_path('document', 'path', 1) }},
        {{ document }}
    )
{%- endmacro -%}


{#- `depth` is how many arrays inside each other a path may lead through. -#}
{%- macro duckdb_json_without_path(document, path, depth) -%}
    {%- set array = "split_part(" ~ path ~ ", '[]', 1)" -%}
    {%- set rest = "ltrim(substr(" ~ path ~ ", length(" ~ array ~ ") + 3), '.')" -%}
    {%- set element = 'element_' ~ depth -%}
    case
        when json_exists({{ document }}, {{ duckdb_json_pointer(path, whole=true) }})
            then json_merge_patch({{ document }}, json_object({{ path }}, null))
        when contains({{ path }}, '[]')
            then
                case
                    when
                        json_type({{ document }}, {{ duckdb_json_pointer(array) }})
                        is distinct from 'ARRAY'
                        then {{ document }}
                    {%- if depth > 0 %}
                    when {{ rest }} <> ''
                        then json_merge_patch(
                            {{ document }},
                            {{
                                duckdb_json_nested(
                                    array,
                                    "'[' || array_to_string(list_transform("
                                    ~ "cast(json_extract(" ~ document ~ ", "
                                    ~ duckdb_json_pointer(array) ~ ") as json[]), lambda "
                                    ~ element ~ ": cast("
                                    ~ duckdb_json_without_path(
                                        'cast(' ~ element ~ ' as varchar)', rest, depth - 1
                                    )
                                    ~ " as varchar)), ',') || ']'"
                                )
                            }}
                        )
                    {%- endif %}
                    else
                        json_merge_patch(
                            {{ document }}, {{ duckdb_json_nested(array, "'null'") }}
                        )
                end
        when json_exists({{ document }}, {{ duckdb_json_pointer(path) }})
            then json_merge_patch({{ document }}, {{ duckdb_json_nested(path, "'null'") }})
        else {{ document }}
    end
{%- endmacro -%}


{#- A JSON object without these keys, given as names. -#}
{%- macro json_without_keys(document, keys) -%}
    {{ adapter.dispatch('json_without_keys')(document, keys) }}
{%- endmacro -%}

{%- macro duckdb__json_without_keys(document, keys) -%}
    {%- set nulls = {} -%}
    {%- for key in keys -%}
        {%- do nulls.update({key: none}) -%}
    {%- endfor -%}
    json_merge_patch({{ document }}, {{ string_literal(tojson(nulls)) }})
{%- endmacro -%}


{#- A path as a JSON pointer: 'a.b' becomes '/a/b'; `whole` takes it as one key. -#}
{%- macro duckdb_json_pointer(path, whole=false) -%}
    {%- set escaped = "replace(replace(" ~ path ~ ", '~', '~0'), '/', '~1')" -%}
    {%- if whole -%}
        '/' || {{ escaped }}
    {%- else -%}
        '/' || replace({{ escaped }}, '.', '/')
    {%- endif -%}
{%- endmacro -%}


{#- The JSON text of an object that holds nothing but `value` at a path. -#}
{%- macro duckdb_json_nested(path, value) -%}
    list_reduce(
        list_reverse(string_split({{ path }}, '.')),
        lambda nested, key: '{' || cast(to_json(key) as varchar) || ':' || nested || '}',
        {{ value }}
    )
{%- endmacro -%}
