{#- A property of an event as a typed column; null where it is absent or does not fit.
    The name may be a path into nested objects: `address.city`. -#}
{%- macro property(name, data_type='varchar') -%}
    {{ typed_value('properties', name, data_type) }}
{%- endmacro -%}


{#- A trait of an identify or group event, as `property`. -#}
{%- macro trait(name, data_type='varchar') -%}
    {{ typed_value('traits', name, data_type) }}
{%- endmacro -%}


{%- macro typed_value(column, path, data_type) -%}
    {%- set value = json_text(column, path) -%}
    {%- if data_type == 'varchar' -%}
        {{ value }}
    {%- else -%}
        {{ try_cast(value, data_type) }}
    {%- endif -%}
{%- endmacro -%}


{#- The columns that every event model has, from `events`. -#}
{%- macro event_columns() -%}
    source_id,
    message_id,
    profile_id,
    user_id,
    anonymous_id,
    timestamp,
    received_at
{%- endmacro -%}
