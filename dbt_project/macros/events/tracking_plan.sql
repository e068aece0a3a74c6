{#-
    The tracking plan: what the yml of the event models says. A model plans an event when
    its config.meta names one; its columns with config.meta.property plan the properties.

        config: {meta: {event: Order Completed}}                  a track event
        config: {meta: {event: page, type: page}}                 every page call
        columns:
          - name: total
            data_type: decimal(12, 2)
            config: {meta: {property: total, required: true, minimum: 0}}

    The words are JSON Schema's: required, enum, pattern, minimum, maximum.
-#}

{#- The plan as a relation: one row per planned property, and one without property per
    event. `events` are planned_events(), which a unit test can override. -#}
{%- macro tracking_plan(events) -%}
    {%- set rows = [] -%}
    {%- for event in events -%}
        {%- do rows.append(plan_row(event, none)) -%}
        {%- for property in event.properties -%}
            {%- do rows.append(plan_row(event, property)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if rows -%}
        {{ rows | join('\nunion all\n') }}
    {%- else -%}
        select * from ({{ plan_row({'event': '', 'type': ''}, none) }}) as plan where 1 = 0
    {%- endif -%}
{%- endmacro -%}


{%- macro plan_row(event, property) -%}
    {%- set rule = property or {} -%}
    select
        {{ string_literal(event.type) }} as type,
        {{ string_literal(event.event) }} as event,
        {{ plan_value(rule.name) }} as property,
        {{ plan_value(rule.data_type) }} as data_type,
        {{ plan_value(expected_json_type(rule.data_type)) }} as expected_type,
        {{ 'true' if rule.required else 'false' }} as is_required,
        {{ text_list(rule.get('enum')) }} as enum,
        {{ plan_value(rule.get('pattern')) }} as pattern,
        {{ plan_value(rule.get('minimum'), 'double') }} as minimum,
        {{ plan_value(rule.get('maximum'), 'double') }} as maximum
{%- endmacro -%}


{%- macro plan_value(value, data_type='varchar') -%}
    cast({{ 'null' if value is none or value is undefined else string_literal(value) }} as {{ data_type }})
{%- endmacro -%}


{#- What a value of a column's type must be in JSON. -#}
{%- macro expected_json_type(data_type) -%}
    {%- set name = ((data_type or 'varchar') | lower).split('(')[0] | trim -%}
    {%- if name in ['bigint', 'integer', 'int', 'smallint', 'hugeint'] -%}
        {{ return('integer') }}
    {%- elif name in ['decimal', 'numeric', 'double', 'float', 'real'] -%}
        {{ return('number') }}
    {%- elif name in ['boolean', 'bool'] -%}
        {{ return('boolean') }}
    {%- elif name in ['date', 'timestamp', 'timestamptz', 'timestamp with time zone'] -%}
        {{ return('timestamp') }}
    {%- elif name == 'json' -%}
        {{ return('json') }}
    {%- else -%}
        {{ return('string') }}
    {%- endif -%}
{%- endmacro -%}


{#- The planned events: [{event, type, properties: [{name, data_type, required, ...}]}]. -#}
{%- macro planned_events() -%}
    {%- set events = [] -%}
    {%- set problems = [] -%}
    {%- set models = graph.nodes.values() if execute else [] -%}
    {%- for model in models if model.resource_type == 'model' and model.config.meta.event -%}
        {%- do problems.extend(plan_problems(model)) -%}
        {%- set properties = [] -%}
        {%- for column in model.columns.values() if column.config.meta.property -%}
            {%- set rule = dict(column.config.meta) -%}
            {%- do rule.update({'name': rule.property, 'data_type': column.data_type}) -%}
            {%- do properties.append(rule) -%}
        {%- endfor -%}
        {%- do events.append({
            'event': model.config.meta.event,
            'type': model.config.meta.get('type', 'track'),
            'properties': properties,
        }) -%}
    {%- endfor -%}
    {%- if problems -%}
        {%- do exceptions.raise_compiler_error(
            'The tracking plan has mistakes:\n  ' ~ problems | join('\n  ')
        ) -%}
    {%- endif -%}
    {{ return(events) }}
{%- endmacro -%}


{#- Words that the plan does not know: a misspelt rule must not be silence. -#}
{%- macro plan_problems(model) -%}
    {%- set event_words = ['event', 'type', 'owner'] -%}
    {%- set types = ['track', 'identify', 'page', 'screen', 'group', 'alias'] -%}
    {%- set words = ['property', 'required', 'enum', 'pattern', 'minimum', 'maximum', 'pii'] -%}
    {%- set file = model.patch_path.split('://')[-1] -%}
    {%- set problems = [] -%}
    {%- for word in model.config.meta if word not in event_words -%}
        {%- do problems.append(
            file ~ ": unknown word '" ~ word ~ "' in config.meta. Words: "
            ~ event_words | join(', ') ~ '.'
        ) -%}
    {%- endfor -%}
    {%- if model.config.meta.get('type', 'track') not in types -%}
        {%- do problems.append(
            file ~ ": type '" ~ model.config.meta.type ~ "' is no kind of call. Types: "
            ~ types | join(', ') ~ '.'
        ) -%}
    {%- endif -%}
    {%- for column in model.columns.values() if column.config.meta.property -%}
        {%- for word in column.config.meta if word not in words -%}
            {%- do problems.append(
                file ~ ': column ' ~ column.name ~ ": unknown word '" ~ word
                ~ "' in config.meta. Words: " ~ words | join(', ') ~ '.'
            ) -%}
        {%- endfor -%}
        {%- if not column.data_type -%}
            {%- do problems.append(
                file ~ ': column ' ~ column.name ~ ' needs a data_type: it is the type '
                ~ 'of the property.'
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(problems) }}
{%- endmacro -%}
