{#- Names of today for what has been sent under older ones: `event_aliases` and `renames`
    of the event models. -#}

{#- The name that the plan gives an event: its own, unless that is an alias. -#}
{%- macro planned_name(rules, type='type', event='event') -%}
    case
        when {{ type }} <> 'track' then {{ type }}
        {%- for root in rules if root.aliases %}
        when {{ event }} in {{ text_tuple(root.aliases) }}
            then {{ string_literal(root.event) }}
        {%- endfor %}
        else {{ event }}
    end
{%- endmacro -%}


{#- The version of its plan that an event names; only whole numbers are one. No event is
    asked while each has one version only. -#}
{%- macro asked_version(rules) -%}
    {%- set path = ['protocols', 'event_version'] -%}
    {%- if event_roots(rules) | rejectattr('is_oldest') | list -%}
        case
            when {{ json_type_of('context', path) }} = 'number'
                then {{ try_cast(json_text('context', path), 'double') }}
        end
    {%- else -%}
        cast(null as double)
    {%- endif -%}
{%- endmacro -%}


{#- A JSON column with its keys renamed, for the events whose plan says so. -#}
{%- macro with_new_names(rules, column) -%}
    {%- set renaming = event_roots(rules)
        | selectattr('scope', 'equalto', column) | selectattr('renames') | list -%}
    {%- if renaming -%}
        case event_rule_id
            {%- for root in renaming %}
            when {{ root.rule_id }} then {{ json_renamed(column, root.renames) }}
            {%- endfor %}
            else {{ column }}
        end
    {%- else -%}
        {{ column }}
    {%- endif -%}
{%- endmacro -%}


{#- The rules that stand for whole events. -#}
{%- macro event_roots(rules) -%}
    {{ return(rules | selectattr('type', 'defined') | list) }}
{%- endmacro -%}


{%- macro text_tuple(values) -%}
    {%- set texts = [] -%}
    {%- for value in values -%}
        {%- do texts.append(string_literal(value)) -%}
    {%- endfor -%}
    ({{ texts | join(', ') }})
{%- endmacro -%}
