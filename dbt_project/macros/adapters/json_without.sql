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

{%- macro spark__json_without(document, paths) -%}
    aggregate(
        {{ paths }},
        {{ document }},
        (document, path) -> {{ spark_json_without_path('document', 'path', 1) }}
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
                                    ~ element ~ ": coalesce(cast("
                                    ~ duckdb_json_without_path(
                                        'cast(' ~ element ~ ' as varchar)', rest, depth - 1
                                    )
                                    ~ " as varchar), 'null')), ',') || ']'"
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


{#- As duckdb_json_without_path: what is changed moves to the end of its object. -#}
{%- macro spark_json_without_path(document, path, depth) -%}
    {%- set place -%}
        case when {{ path }} like '%[]%' then split_part({{ path }}, '[]', 1) else {{ path }} end
    {%- endset -%}
    {%- set rest -%}
        trim(leading '.' from substr({{ path }}, locate('[]', {{ path }}) + 2))
    {%- endset -%}
    {%- set left -%}
        cast(null as string)
    {%- endset -%}
    {%- if depth > 0 -%}
        {%- set element = 'element_' ~ depth -%}
        {%- set elements -%}
            transform(
                {{ spark_json_elements('element_at(way, -1).value') }},
                {{ element }} -> {{ spark_json_with(
                    spark_json_text(element),
                    element,
                    spark_json_without_path(element, rest, depth - 1),
                ) }}
            )
        {%- endset -%}
        {%- set left -%}
            case
                when {{ path }} like '%[]%' and {{ rest }} <> ''
                    then '[' || array_join({{ elements }}, ',') || ']'
            end
        {%- endset -%}
    {%- endif -%}
    {%- set without_place -%}
        case
            when
                element_at(way, -1) is null
                or ({{ path }} like '%[]%' and element_at(way, -1).type <> 'array')
                then {{ document }}
            else {{ spark_json_changed('way', left) }}
        end
    {%- endset -%}
    {%- set without_path -%}
        case
            when exists(members, member -> member.key = {{ path }})
                then {{ spark_json_object(
                    'filter(members, member -> member.key <> ' ~ path ~ ')'
                ) }}
            else {{ spark_json_with(spark_json_way(document, place), 'way', without_place) }}
        end
    {%- endset -%}
    {{- return(spark_json_with(spark_json_members(document), 'members', without_path)) -}}
{%- endmacro -%}


{#- The document with other JSON text at the end of the way; none takes it out. -#}
{%- macro spark_json_changed(way, text) -%}
    aggregate(
        sequence(size({{ way }}) - 1, 1, -1),
        {{ text }},
        (inside, place) -> {{ spark_json_object(
            'concat(filter(' ~ spark_json_members(way ~ '[place - 1].value')
            ~ ', member -> member.key <> ' ~ way ~ '[place].key), case when inside is null '
            ~ 'then array() else array(struct(' ~ way ~ '[place].key as key, inside as '
            ~ "value, 'object' as type)) end)"
        ) }}
    )
{%- endmacro -%}


{#- The members on the way from the document, which comes first, to what is at a path; null
    in place of what is not there. -#}
{%- macro spark_json_way(document, path) -%}
    aggregate(
        split({{ path }}, '\\.'),
        array(struct('' as key, {{ document }} as value, 'object' as type)),
        (way, key) -> concat(
            way,
            array(get(filter({{ spark_json_members(
                "case when element_at(way, -1).type = 'object' "
                ~ 'then element_at(way, -1).value end'
            ) }}, member -> member.key = key), 0))
        )
    )
{%- endmacro -%}
