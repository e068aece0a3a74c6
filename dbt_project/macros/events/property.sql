{#- A property of an event as a typed column; null where it is absent or does not fit. -#}
{%- macro property(name, data_type='varchar') -%}
    {%- set value = json_text('properties', [name]) -%}
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
