{#-
    What the forms of the JSON macros on Spark are made of.

    Spark finds keys and texts as they stand in a canonical document, but writes two
    things anew in the way of Java: numbers, as doubles (12345678.5 becomes
    1.23456785E7), and in objects and arrays characters beyond the 16-bit plane, as
    escapes. So what it finds is looked at, and only where that may have happened the
    document is read again, with each number made a text that begins with a mark.

    Documents are canonical where the collector wrote them as events. Of a quarantined
    payload numbers come as they are written, 1e16 say; DuckDB writes those anew.
-#}

{#- A path as steps of Spark's JSONPath, without any for the root; none where its grammar
    has no word for a key, or the mark stands before one. -#}
{%- macro spark_json_steps(path) -%}
    {%- set steps = [] -%}
    {%- for key in spark_json_keys(path) -%}
        {%- if key in ['', '*'] or key.startswith('\ue000') -%}
            {{- return(none) -}}
        {%- elif "'" not in key and '?' not in key -%}
            {%- do steps.append("['" ~ key ~ "']") -%}
        {%- elif '.' not in key and '[' not in key -%}
            {%- do steps.append('.' ~ key) -%}
        {%- else -%}
            {{- return(none) -}}
        {%- endif -%}
    {%- endfor -%}
    {{- return(steps | join) -}}
{%- endmacro -%}


{%- macro spark_json_keys(path) -%}
    {{- return(path.split('.') if path is string else path) -}}
{%- endmacro -%}


{#- The value as JSON text: strings with their quotes, characters as they are. Spark
    gives it so where it looks into each element of an array, here of one. -#}
{%- macro spark_json_written(document, steps) -%}
    get_json_object('[' || {{ document }} || ']', {{ string_literal('$[*]' ~ steps) }})
{%- endmacro -%}


{#- The same with its numbers as they are. -#}
{%- macro spark_json_exactly_written(document, steps) -%}
    {{ spark_json_with(
        spark_json_written(document, steps),
        'found',
        'case when found rlike ' ~ spark_json_doubt() ~ ' then '
        ~ spark_json_unmarked(spark_json_written(spark_json_marked(document), steps))
        ~ ' else found end',
    ) }}
{%- endmacro -%}


{#- Where a value that Spark found may stand otherwise in the document. -#}
{%- macro spark_json_doubt() -%}
    '^(?:-?[0-9.]*+(?:E|(?<=[0-9.]{16}))|[\\[{](?s:.)*(?:[0-9]E-?[0-9]|[0-9.]{16}|\\\\uD))|\ue000'
{%- endmacro -%}


{#- A document with each number made a text that begins with the mark (U+E000, which
    Unicode gives no meaning). A text that begins with it already gets a second one. -#}
{%- macro spark_json_marked(document) -%}
    regexp_replace(
        replace({{ document }}, '"\ue000', '"\ue000\ue000'),
        '\\G((?:[^"0-9-]++|"[^"\\\\]*+(?:\\\\.[^"\\\\]*+)*+")*+)(-?[0-9][0-9.eE+-]*+)',
        '$1"\ue000$2"'
    )
{%- endmacro -%}


{#- What was read of such a document, without the marks. -#}
{%- macro spark_json_unmarked(text) -%}
    replace(
        regexp_replace(
            regexp_replace({{ text }}, '^\ue000', ''),
            '"\ue000(-?[0-9][0-9.eE+-]*)"',
            '$1'
        ),
        '"\ue000\ue000',
        '"\ue000'
    )
{%- endmacro -%}


{#- The members of a JSON object as a list of key, value and type, as json_each has them;
    null for what is no object. -#}
{%- macro spark_json_members(document) -%}
    zip_with(
        map_entries(from_json({{ document }}, 'map<string, variant>')),
        {{ spark_json_texts(document, 'map<string, string>', 'map_values') }},
        (member, text) -> {{ spark_json_row('member.key', 'member.value', 'text') }}
    )
{%- endmacro -%}


{#- The same of the elements of an array; their keys are their places. -#}
{%- macro spark_json_elements(document) -%}
    transform(
        arrays_zip(
            from_json({{ document }}, 'array<variant>'),
            {{ spark_json_texts(document, 'array<string>') }}
        ),
        (element, place) -> {{
            spark_json_row('cast(place as string)', 'element.`0`', 'element.`1`')
        }}
    )
{%- endmacro -%}


{#- What is in a document, as a list of texts; with marks where there is doubt. -#}
{%- macro spark_json_texts(document, type, values='') -%}
    get(transform(
        array({{ values }}(from_json({{ document }}, '{{ type }}'))),
        texts -> case
            when exists(texts, text -> text rlike {{ spark_json_doubt() }})
                then {{ values }}(from_json({{ spark_json_marked(document) }}, '{{ type }}'))
            else texts
        end
    ), 0)
{%- endmacro -%}


{%- macro spark_json_row(key, value, text) -%}
    struct(
        {{ key }} as key,
        case
            when {{ text }} not rlike '\ue000|^[\\[{](?s:.)*\\\\uD' then {{ text }}
            when schema_of_variant({{ value }}) rlike '^[OA]'
                then {{ spark_json_unmarked(spark_json_written(text, '')) }}
            else {{ spark_json_unmarked(text) }}
        end as value,
        case substr(schema_of_variant({{ value }}), 1, 2)
            when 'VO' then 'null'
            when 'BO' then 'boolean'
            when 'ST' then 'string'
            when 'OB' then 'object'
            when 'AR' then 'array'
            else 'number'
        end as type
    )
{%- endmacro -%}


{#- The member at a path that JSONPath cannot express, as a list of at most one. -#}
{%- macro spark_json_member(document, path) -%}
    {%- set state = namespace(members=none) -%}
    {%- for key in spark_json_keys(path) -%}
        {%- set members = spark_json_members(
            'outer_member.value' if state.members else document
        ) -%}
        {%- if state.members -%}
            {%- set members = (
                'flatten(transform(filter(' ~ state.members
                ~ ", outer_member -> outer_member.type = 'object'), outer_member -> "
                ~ members ~ '))'
            ) -%}
        {%- endif -%}
        {%- set state.members = (
            'filter(' ~ members ~ ', found -> found.key = ' ~ string_literal(key) ~ ')'
        ) -%}
    {%- endfor -%}
    {{- return(state.members) -}}
{%- endmacro -%}


{#- The JSON text of a member or element, and of an object that has these members. -#}
{%- macro spark_json_text(member) -%}
    case {{ member }}.type
        when 'string' then {{ spark_json_quoted(member ~ '.value') }}
        when 'null' then 'null'
        else {{ member }}.value
    end
{%- endmacro -%}


{%- macro spark_json_object(members) -%}
    '{' || array_join(
        transform(
            {{ members }},
            member -> {{ spark_json_quoted('member.key') }} || ':'
            || {{ spark_json_text('member') }}
        ),
        ','
    ) || '}'
{%- endmacro -%}


{%- macro spark_json_quoted(text) -%}
    regexp_replace(to_json(array({{ text }})), '^\\[|\\]$', '')
{%- endmacro -%}


{#- An expression in which a name stands for the value of another. -#}
{%- macro spark_json_with(value, name, expression) -%}
    get(transform(array({{ value }}), {{ name }} -> {{ expression }}), 0)
{%- endmacro -%}
