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
