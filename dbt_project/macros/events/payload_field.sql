{#- Fields of an event as a client sent it, read as the collector reads them. -#}

{#- An id as text: whole numbers become their digits, blank counts as absent. -#}
{%- macro payload_id(document, field) -%}
    {%- set number = try_cast(json_text(document, [field]), 'decimal(38, 0)') -%}
    case {{ json_type_of(document, [field]) }}
        when 'string' then nullif({{ trimmed(json_text(document, [field])) }}, '')
        when 'number'
            then
                case
                    when
                        {{ number }} = {{ try_cast(json_text(document, [field]), 'double') }}
                        then cast({{ number }} as {{ dbt.type_string() }})
                end
    end
{%- endmacro -%}


{#- Text that is a string in JSON. -#}
{%- macro payload_text(document, path) -%}
    case
        when {{ json_type_of(document, path) }} = 'string'
            then {{ json_text(document, path) }}
    end
{%- endmacro -%}


{#- An object as JSON text. -#}
{%- macro payload_object(document, path) -%}
    case
        when {{ json_type_of(document, path) }} = 'object'
            then {{ json_text(document, path) }}
    end
{%- endmacro -%}
