{#- Rules of the tracking plan, as conditions on a found value (text), its JSON type, and
    the columns of the plan's row. Each is about a value that is there. -#}

{#- The value has the JSON type that the column's type asks for, and fits the column. -#}
{%- macro has_planned_type(events, value, type) -%}
    (
        case expected_type
            when 'integer' then
                {{ type }} = 'number'
                and {{ try_cast(value, 'double') }} = floor({{ try_cast(value, 'double') }})
            when 'timestamp' then
                {{ type }} = 'string'
                and {{ matches_pattern(value, iso_8601_pattern()) }}
            when 'json' then {{ type }} in ('array', 'object')
            else {{ type }} = expected_type
        end
        and {{ fits_data_type(events, value) }}
    )
{%- endmacro -%}


{%- macro iso_8601_pattern() -%}
    ^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$
{%- endmacro -%}


{#- A type cannot be a value in SQL, so there is one branch per type that the plan uses. -#}
{%- macro fits_data_type(events, value) -%}
    {%- set data_types = [] -%}
    {%- for event in events -%}
        {%- do data_types.extend(event.properties | map(attribute='data_type')) -%}
    {%- endfor -%}
    {%- set castable = data_types | unique | reject('equalto', 'varchar') | list -%}
    case
        when data_type = 'varchar' then true
        {%- for data_type in castable %}
        when data_type = {{ string_literal(data_type) }}
            then {{ try_cast(value, data_type) }} is not null
        {%- endfor %}
    end
{%- endmacro -%}


{#- One branch per pattern, so that each regular expression is compiled once. -#}
{%- macro has_planned_pattern(events, value) -%}
    {%- set patterns = [] -%}
    {%- for event in events -%}
        {%- for property in event.properties if property.pattern -%}
            {%- do patterns.append(property.pattern) -%}
        {%- endfor -%}
    {%- endfor -%}
    case
        when pattern is null then true
        {%- for pattern in patterns | unique %}
        when pattern = {{ string_literal(pattern) }}
            then {{ matches_pattern(value, pattern) }}
        {%- endfor %}
    end
{%- endmacro -%}
