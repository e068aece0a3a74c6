{#-
    The tracking plan: what the yml of the event models says. A model plans an event when
    its config.meta names one; its columns with config.meta.property plan the properties.

        config: {meta: {event: Order Completed, version: 2}}      a track event
        config: {meta: {event: page, type: page}}                 every page call
        columns:
          - name: total
            data_type: decimal(12, 2)
            config: {meta: {property: total, required: true, minimum: 0}}

    The words are JSON Schema's. config.meta.properties plans what has no column, and
    config.meta.common of the model `events` what every event must obey.
-#}

{#- The planned events as the yml says them: [{event, type, version, properties: [{name,
    data_type, required, ...}], enforcement, renames, event_aliases}]. A unit test can
    override it, and leave out what it does not need. -#}
{%- macro planned_events() -%}
    {%- set events = [] -%}
    {%- set problems = [] -%}
    {%- set planners = {} -%}
    {%- set models = graph.nodes.values() if execute else [] -%}
    {%- for model in models if model.resource_type == 'model' and model.config.meta.event -%}
        {%- do problems.extend(plan_problems(model)) -%}
        {%- set event = dict(model.config.meta) -%}
        {%- set type = event.type or 'track' -%}
        {%- set name = event.event if type == 'track' else 'every ' ~ type ~ ' call' -%}
        {%- set name = name ~ ' in version ' ~ (event.version or 1) -%}
        {%- if name in planners -%}
            {%- do problems.append(
                model.original_file_path ~ ': ' ~ name ~ ' is planned by '
                ~ planners[name] ~ ' already. Give one of them another version.'
            ) -%}
        {%- endif -%}
        {%- do planners.update({name: model.original_file_path}) -%}
        {%- set properties = [] -%}
        {%- for column in model.columns.values() if column.config.meta.property -%}
            {%- set rule = dict(column.config.meta) -%}
            {%- do rule.update({'name': rule.property, 'data_type': column.data_type}) -%}
            {%- do properties.append(rule) -%}
        {%- endfor -%}
        {%- for name, rule in (event.properties or {}).items() -%}
            {%- do properties.append(dict(rule or {}, name=name)) -%}
        {%- endfor -%}
        {%- do events.append(dict(event, properties=properties)) -%}
    {%- endfor -%}
    {%- for type, actions in var('enforcement', {}).items() -%}
        {%- do problems.extend(action_problems(actions, 'vars: enforcement.' ~ type)) -%}
    {%- endfor -%}
    {%- if problems -%}
        {%- do exceptions.raise_compiler_error(
            'The tracking plan has mistakes:\n  ' ~ problems | join('\n  ')
        ) -%}
    {%- endif -%}
    {{ return(events) }}
{%- endmacro -%}


{#-
    The plan as a relation, one row per rule. The rules of an event are a tree: its root
    has no property, every other rule is about the value at `key` in the value of its
    parent, where the elements of an array have the key [] in common.

    `rules` are plan_rules(planned_events(), common_rules()).
-#}
{%- macro tracking_plan(rules) -%}
    {%- if rules -%}
        {%- for rule in rules -%}
            {{ plan_row(rule) }}
            {{- '\nunion all\n' if not loop.last }}
        {%- endfor -%}
    {%- else -%}
        select * from ({{ plan_row({}) }}) as plan where 1 = 0
    {%- endif -%}
{%- endmacro -%}


{%- macro plan_row(rule) -%}
    select
        {{ plan_value(rule.rule_id, 'integer') }} as rule_id,
        {{ plan_value(rule.parent_id, 'integer') }} as parent_id,
        {{ plan_value(rule.type) }} as type,
        {{ plan_value(rule.event) }} as event,
        {{ plan_value(rule.version, 'bigint') }} as version,
        {{ plan_value(rule.scope) }} as scope,
        {{ plan_value(rule.key) }} as key,
        {{ plan_value(rule.property) }} as property,
        {%- for type in ['string', 'number', 'integer', 'boolean', 'object', 'array'] %}
        {{ plan_flag(not rule.types or type in rule.types) }} as takes_{{ type }},
        {%- endfor %}
        {{ plan_value(rule.data_type) }} as data_type,
        {{ plan_flag(rule.is_required) }} as is_required,
        {{ plan_flag(rule.is_oldest) }} as is_oldest,
        {{ plan_flag(rule.is_pii) }} as is_pii,
        {{ plan_flag(rule.is_nullable) }} as is_nullable,
        {{ plan_flag(rule.forbids_null) }} as forbids_null,
        {{ plan_flag(rule.has_members) }} as has_members,
        {{ plan_flag(rule.has_elements) }} as has_elements,
        {{ text_list(rule.enum or none) }} as enum,
        {{ plan_value(rule.pattern) }} as pattern,
        {{ plan_value(rule.format) }} as format,
        {{ plan_value(rule.minimum, 'double') }} as minimum,
        {{ plan_value(rule.maximum, 'double') }} as maximum,
        {{ plan_value(rule.expected_type) }} as expected_type,
        {{ plan_value(rule.expected_enum) }} as expected_enum,
        {{ plan_value(rule.expected_range) }} as expected_range
{%- endmacro -%}


{%- macro plan_value(value, data_type='varchar') -%}
    cast({{ 'null' if value is none or value is undefined else string_literal(value) }} as {{ data_type }})
{%- endmacro -%}


{%- macro plan_flag(value) -%}
    {{ 'true' if value else 'false' }}
{%- endmacro -%}
