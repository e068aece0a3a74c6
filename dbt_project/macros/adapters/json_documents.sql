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

{#- Level by level: what is in the objects and arrays of one is the next. There are no
    more levels than brackets that open. -#}
{%- macro spark__json_places(column) -%}
    {%- set list = 'array<struct<path: string, type: string, value: string>>' -%}
    {#- A key as DuckDB writes it in a path, without the quotes around it. -#}
    {%- set key -%}
        replace(
            regexp_replace(
                replace(replace(member.key, '\\', '\\\\'), '"', '\\"'), '\\[[0-9]+\\]', '[]'
            ),
            '"',
            ''
        )
    {%- endset -%}
    {%- set found -%}
        flatten(transform(
            state.outer_places,
            place -> case
                when place.type = 'array'
                    then transform(
                        {{ spark_json_elements('place.value') }},
                        member -> struct(
                            place.path || '[]' as path,
                            member.type as type,
                            member.value as value
                        )
                    )
                else transform(
                    {{ spark_json_members('place.value') }},
                    member -> struct(
                        case when level > 1 then place.path || '.' else '' end
                        || {{ key }} as path,
                        member.type as type,
                        member.value as value
                    )
                )
            end
        ))
    {%- endset -%}
    (
        select
            inline(aggregate(
                sequence(
                    1, length({{ column }}) - length(translate({{ column }}, '{[', ''))
                ),
                struct(
                    cast(array() as {{ list }}) as places,
                    cast(
                        array(struct('' as path, 'object' as type, {{ column }} as value))
                        as {{ list }}
                    ) as outer_places
                ),
                (state, level) -> case
                    when size(state.outer_places) = 0 then state
                    else {{ spark_json_with(
                        found,
                        'found',
                        "struct(concat(state.places, found) as places, filter(found, "
                        ~ "place -> place.type in ('object', 'array')) as outer_places)",
                    ) }}
                end,
                state -> state.places
            ))
    )
{%- endmacro -%}


{#-
    A JSON object whose keys have other names: {old: new}. A key that is there under its
    new name already is left alone, whatever stands under the old one.
-#}
{%- macro json_renamed(column, renames) -%}
    {{ adapter.dispatch('json_renamed')(column, renames) }}
{%- endmacro -%}

{%- macro duckdb__json_renamed(column, renames) -%}
    coalesce((
        select
            cast(json_group_object(
                case
                    {%- for old, new in renames.items() %}
                    when
                        key = {{ string_literal(old) }}
                        and type <> 'NULL'
                        and coalesce(json_type({{ column }}, {{ json_path([new]) }}), 'NULL') = 'NULL'
                        then {{ string_literal(new) }}
                    {%- endfor %}
                    else key
                end,
                value
            ) as varchar)
        from json_each(case
            {%- for old in renames %}
            when json_type({{ column }}, {{ json_path([old]) }}) <> 'NULL' then {{ column }}
            {%- endfor %}
        end)
        where not (type = 'NULL' and key in {{ text_tuple(renames.values()) }})
    ), {{ column }})
{%- endmacro -%}

{%- macro spark__json_renamed(column, renames) -%}
    {%- set new_key -%}
        case
            {%- for old, new in renames.items() %}
            when
                member.key = {{ string_literal(old) }}
                and member.type <> 'null'
                and not exists(
                    members,
                    other -> other.key = {{ string_literal(new) }} and other.type <> 'null'
                )
                then {{ string_literal(new) }}
            {%- endfor %}
            else member.key
        end
    {%- endset -%}
    {%- set kept -%}
        filter(
            members,
            member -> not (
                member.type = 'null' and member.key in {{ text_tuple(renames.values()) }}
            )
        )
    {%- endset -%}
    case
        when
            {%- for old in renames %}
            {{ json_type_of(column, [old]) }} <> 'null' {{- ' or' if not loop.last }}
            {%- endfor %}
            then {{ spark_json_with(
                spark_json_members(column),
                'members',
                spark_json_object(
                    'transform(' ~ kept ~ ', member -> struct(' ~ new_key
                    ~ ' as key, member.value as value, member.type as type))'
                ),
            ) }}
        else {{ column }}
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
    case
        when {{ document }} is not null
            then json_merge_patch({{ document }}, {{ string_literal(tojson(nulls)) }})
    end
{%- endmacro -%}

{%- macro spark__json_without_keys(document, keys) -%}
    {{ spark_json_object(
        'filter(' ~ spark_json_members(document) ~ ', member -> member.key not in '
        ~ text_tuple(keys) ~ ')'
    ) }}
{%- endmacro -%}


{#-
    Of the array at a path, the value (text) of one key in the first element whose other
    keys hold these texts; null where there is none.

        {{ json_element_text('context', 'externalIds', {'type': 'phone'}, 'id') }}
-#}
{%- macro json_element_text(column, path, conditions, key) -%}
    {{ adapter.dispatch('json_element_text')(column, path, conditions, key) }}
{%- endmacro -%}

{%- macro duckdb__json_element_text(column, path, conditions, key) -%}
    list_filter(
        case json_type({{ column }}, {{ json_path(path) }})
            when 'ARRAY' then cast(json_extract({{ column }}, {{ json_path(path) }}) as json[])
        end,
        lambda element:
        {%- for name, text in conditions.items() %}
        json_extract_string(element, {{ json_path([name]) }}) = {{ string_literal(text) }} and
        {%- endfor %}
        json_extract_string(element, {{ json_path([key]) }}) is not null
    )[1] ->> {{ json_path([key]) }}
{%- endmacro -%}

{%- macro spark__json_element_text(column, path, conditions, key) -%}
    {%- set value = spark__json_text('element.value', [key]) -%}
    {%- set matching -%}
        element.type = 'object'
        {%- for name, text in conditions.items() %}
        and {{ spark__json_text('element.value', [name]) }} = {{ string_literal(text) }}
        {%- endfor %}
        and {{ value }} is not null
    {%- endset -%}
    {{ spark_json_with(
        spark_json_exactly_written(column, spark_json_steps(path)),
        'written',
        "case when written like '[%' then get(transform(filter("
        ~ spark_json_elements('written') ~ ', element -> ' ~ matching
        ~ '), element -> ' ~ value ~ '), 0) end',
    ) }}
{%- endmacro -%}
