{#- What every event must obey: values by their path from the event's root, as the client
    sent it. -#}

{#- The rules that every event must obey: {path from the event's root: rule}. None in a
    dbt unit test, which knows no other models, unless it overrides this. -#}
{%- macro common_rules() -%}
    {%- set common = {} -%}
    {%- set models = (graph.nodes or {}).values() if execute else [] -%}
    {%- for model in models if model.resource_type == 'model' and model.config.meta.common -%}
        {%- do common.update(model.config.meta.common) -%}
    {%- endfor -%}
    {{ return(common) }}
{%- endmacro -%}


{#- The value that the common rule `key` of a row is about, as text. -#}
{%- macro common_value(common, relation) -%}
    case plan.key
        when null then cast(null as {{ dbt.type_string() }})
        {%- for path in common %}
        {%- set place = common_place(path) %}
        when {{ string_literal(path) }}
            then {{ json_text(relation ~ '.' ~ place.column, place['keys'])
                if place.is_json else relation ~ '.' ~ place.column }}
        {%- endfor %}
    end
{%- endmacro -%}


{#- Its JSON type; null where the path leads nowhere. -#}
{%- macro common_type(common, relation) -%}
    case plan.key
        when null then cast(null as {{ dbt.type_string() }})
        {%- for path in common %}
        {%- set place = common_place(path) %}
        when {{ string_literal(path) }}
            then {{ json_type_of(relation ~ '.' ~ place.column, place['keys'])
                if place.is_json
                else 'case when ' ~ relation ~ '.' ~ place.column
                ~ " is not null then 'string' end" }}
        {%- endfor %}
    end
{%- endmacro -%}


{#- Where the field of an event that a path begins with is stored. -#}
{%- macro common_place(path) -%}
    {%- set keys = path.split('.') -%}
    {%- set texts = {
        'type': 'type',
        'event': 'event',
        'name': 'name',
        'category': 'category',
        'messageId': 'message_id',
        'userId': 'user_id',
        'anonymousId': 'anonymous_id',
        'previousId': 'previous_id',
        'groupId': 'group_id',
    } -%}
    {%- if path in texts -%}
        {{ return({'column': texts[path], 'is_json': false}) }}
    {%- elif keys[0] in ['properties', 'traits', 'context', 'integrations'] -%}
        {{ return({'column': keys[0], 'keys': keys[1:], 'is_json': true}) }}
    {%- else -%}
        {{ return({'column': 'extra', 'keys': keys, 'is_json': true}) }}
    {%- endif -%}
{%- endmacro -%}
