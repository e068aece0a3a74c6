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
    {#- dbt has them in the order in which it parsed them, of which some may be new. -#}
    {%- set models = graph.nodes.values() | sort(attribute='unique_id')
        if execute else [] -%}
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
    select *
    from (
        values
        {%- for rule in rules or [{}] %}
        ({{ plan_row(rule).values() | join(', ') }}){{ ',' if not loop.last }}
        {%- endfor %}
    ) as plan ({{ plan_row({}) | join(', ') }})
    {%- if not rules %}
    where 1 = 0
    {%- endif -%}
{%- endmacro -%}


{#- The columns of the plan's relation, and what a rule has in them. -#}
{%- macro plan_row(rule) -%}
    {%- set row = {
        'rule_id': plan_value(rule.rule_id, 'integer'),
        'parent_id': plan_value(rule.parent_id, 'integer'),
        'type': plan_value(rule.type),
        'event': plan_value(rule.event),
        'version': plan_value(rule.version, 'bigint'),
        'scope': plan_value(rule.scope),
        'key': plan_value(rule.key),
        'property': plan_value(rule.property),
    } -%}
    {%- for type in ['string', 'number', 'integer', 'boolean', 'object', 'array'] -%}
        {%- do row.update({
            'takes_' ~ type: plan_flag(not rule.types or type in rule.types)
        }) -%}
    {%- endfor -%}
    {%- do row.update({
        'data_type': plan_value(rule.data_type),
        'is_required': plan_flag(rule.is_required),
        'is_oldest': plan_flag(rule.is_oldest),
        'is_pii': plan_flag(rule.is_pii),
        'is_nullable': plan_flag(rule.is_nullable),
        'forbids_null': plan_flag(rule.forbids_null),
        'has_members': plan_flag(rule.has_members),
        'has_elements': plan_flag(rule.has_elements),
        'enum': text_list(rule.enum or none),
        'pattern': plan_value(rule.pattern),
        'format': plan_value(rule.format),
        'minimum': plan_value(rule.minimum, 'double'),
        'maximum': plan_value(rule.maximum, 'double'),
        'expected_type': plan_value(rule.expected_type),
        'expected_enum': plan_value(rule.expected_enum),
        'expected_range': plan_value(rule.expected_range),
    }) -%}
    {{- return(row) -}}
{%- endmacro -%}


{%- macro plan_value(value, data_type='varchar') -%}
    cast({{ 'null' if value is none or value is undefined else string_literal(value) }} as {{ type_name(data_type) }})
{%- endmacro -%}


{%- macro plan_flag(value) -%}
    {{ 'true' if value else 'false' }}
{%- endmacro -%}
