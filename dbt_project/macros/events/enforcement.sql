{#-
    What is done about each kind of violation, the most specific word first: the event
    model's config.meta.enforcement, then `vars: enforcement` of dbt_project.yml for the
    type of call, then its `default`, then what Kith ships.
-#}
{%- macro enforcement_action(rules) -%}
    case
        {%- for root in rules if root.enforcement %}
            {%- for kind, action in root.enforcement.items() %}
        when event_rule_id = {{ root.rule_id }} and violation = {{ string_literal(kind) }}
            then {{ string_literal(action) }}
            {%- endfor %}
        {%- endfor %}
        {%- for type, actions in var('enforcement', {}).items() %}
            {%- for kind, action in actions.items() if type != 'default' %}
        when type = {{ string_literal(type) }} and violation = {{ string_literal(kind) }}
            then {{ string_literal(action) }}
            {%- endfor %}
        {%- endfor %}
        {%- for kind, action in (var('enforcement', {}).default or {}).items() %}
        when violation = {{ string_literal(kind) }} then {{ string_literal(action) }}
        {%- endfor %}
        when violation in ('unplanned_event', 'unplanned_property') then 'allow'
        else 'quarantine'
    end
{%- endmacro -%}


{#- The kinds of violation, in the order in which a property counts with one of them. -#}
{%- macro violation_kinds() -%}
    {{ return([
        'unplanned_event',
        'unplanned_property',
        'required_missing',
        'type_mismatch',
        'enum',
        'pattern',
        'format',
        'range',
    ]) }}
{%- endmacro -%}


{%- macro violation_order(violation) -%}
    case {{ violation }}
        {%- for kind in violation_kinds() %}
        when {{ string_literal(kind) }} then {{ loop.index }}
        {%- endfor %}
    end
{%- endmacro -%}
