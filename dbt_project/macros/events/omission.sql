{#- Where the property of a violation stands in a stored event: `<column>.<path>`. The
    rules of every event begin at the event's root, the others in the scope's column. -#}
{%- macro place_in_event(scope, property) -%}
    {%- set columns = ['properties', 'traits', 'context', 'integrations'] -%}
    case
        when {{ scope }} <> 'event' then concat({{ scope }}, '.', {{ property }})
        {%- for column in columns %}
        when {{ property }} like '{{ column }}.%' then {{ property }}
        {%- endfor %}
        when
            {{ property }} in (
                'type', 'event', 'name', 'category', 'messageId', 'userId',
                'anonymousId', 'previousId', 'groupId'
            )
            then null
        else concat('extra.', {{ property }})
    end
{%- endmacro -%}


{#- A JSON column of an event without what the plan omits; `omitted` is the list of
    places, null where nothing is. An object that loses everything stays one. -#}
{%- macro without_omitted(column, omitted) -%}
    case
        when {{ omitted }} is null then {{ column }}
        else {{ json_without(column, paths_below(omitted, column.split('.')[-1])) }}
    end
{%- endmacro -%}
