{#- Rules of the tracking plan, as conditions on a found value (text), its JSON type, and
    the columns of the plan's row. -#}

{#- The value has one of the planned JSON types, and fits the column that it becomes. -#}
{%- macro has_planned_type(rules, value, type) -%}
    (
        case {{ type }}
            when 'string' then takes_string
            when 'number'
                then
                    takes_number
                    or (
                        takes_integer
                        and {{ try_cast(value, 'double') }}
                        = floor({{ try_cast(value, 'double') }})
                    )
            when 'boolean' then takes_boolean
            when 'object' then takes_object
            when 'array' then takes_array
        end
        and {{ fits_data_type(rules, value) }}
    )
{%- endmacro -%}


{#- A type cannot be a value in SQL, so there is one branch per type that the plan uses. -#}
{%- macro fits_data_type(rules, value) -%}
    case
        when data_type is null then true
        {%- for data_type in words_used(rules, 'data_type') if data_type != 'varchar' %}
        when data_type = {{ string_literal(data_type) }}
            then
                {% if is_time_type(data_type) -%}
                    {{ matches_pattern(value, iso_8601_pattern()) }} and
                {% endif -%}
                {{ try_cast(value, data_type) }} is not null
        {%- endfor %}
        else true
    end
{%- endmacro -%}


{#- One branch per pattern, so that each regular expression is compiled once. -#}
{%- macro has_planned_pattern(rules, value) -%}
    case
        when pattern is null then true
        {%- for pattern in words_used(rules, 'pattern') %}
        when pattern = {{ string_literal(pattern) }}
            then {{ matches_pattern(value, pattern) }}
        {%- endfor %}
    end
{%- endmacro -%}


{%- macro has_planned_format(rules, value) -%}
    case
        when format is null then true
        {%- for format in words_used(rules, 'format') %}
        when format = {{ string_literal(format) }} then {{ has_format(format, value) }}
        {%- endfor %}
    end
{%- endmacro -%}


{#- The text has the format. A day or moment must also be one that the calendar has. -#}
{%- macro has_format(format, value) -%}
    {%- if format == 'date-time' -%}
        {{ matches_pattern(value, iso_8601_pattern()) }}
        and {{ try_cast(value, timestamp_type()) }} is not null
    {%- elif format == 'date' -%}
        {{ matches_pattern(value, '^[0-9]{4}-[0-9]{2}-[0-9]{2}$') }}
        and {{ try_cast(value, 'date') }} is not null
    {%- else -%}
        {{ matches_pattern(value, format_patterns()[format]) }}
    {%- endif -%}
{%- endmacro -%}


{#- A day, or a moment of it with or without its zone. -#}
{%- macro iso_8601_pattern() -%}
    ^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$
{%- endmacro -%}


{%- macro format_patterns() -%}
    {%- set byte = '(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])' -%}
    {%- set ipv4 = '(' ~ byte ~ '\\.){3}' ~ byte -%}
    {%- set group = '[0-9A-Fa-f]{1,4}' -%}
    {#- `::` stands for the groups that are left out, so there is a form per place of it. -#}
    {%- set ipv6 = [
        '(' ~ group ~ ':){7}' ~ group,
        '(' ~ group ~ ':){1,7}:',
        ':(:' ~ group ~ '){1,7}',
        '::',
        '(' ~ group ~ ':){6}' ~ ipv4,
        '::(' ~ group ~ ':){0,5}' ~ ipv4,
    ] -%}
    {%- for before in range(1, 7) -%}
        {%- do ipv6.append(
            '(' ~ group ~ ':){' ~ before ~ '}(:' ~ group ~ '){1,' ~ (7 - before) ~ '}'
        ) -%}
    {%- endfor -%}
    {%- for before in range(1, 6) -%}
        {%- do ipv6.append(
            '(' ~ group ~ ':){' ~ before ~ '}(:' ~ group ~ '){0,' ~ (5 - before) ~ '}:' ~ ipv4
        ) -%}
    {%- endfor -%}
    {{ return({
        'email': '^[^@ \\t\\r\\n]+@[^@. \\t\\r\\n]+(\\.[^@. \\t\\r\\n]+)+$',
        'uri': '^[A-Za-z][A-Za-z0-9+.-]*:[^ \\t\\r\\n]+$',
        'uuid': '^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$',
        'ipv4': '^' ~ ipv4 ~ '$',
        'ipv6': '^(' ~ ipv6 | join('|') ~ ')$',
    }) }}
{%- endmacro -%}


{#- The different values that the rules give a word. -#}
{%- macro words_used(rules, word) -%}
    {{ return(rules | map(attribute=word) | select('string') | unique | list) }}
{%- endmacro -%}


{#- A found value as it may be shown: one that is personal is not. -#}
{%- macro masked(value, is_pii) -%}
    case when {{ is_pii }} and {{ value }} is not null then '[masked]' else {{ value }} end
{%- endmacro -%}
