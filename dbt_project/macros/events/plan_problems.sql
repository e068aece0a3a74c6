{#- What the plan does not know: a misspelt word must not be silence. `./kith check` says
    more, and where. -#}
{%- macro plan_problems(model) -%}
    {%- set event_words = [
        'event', 'type', 'version', 'enforcement', 'owner', 'properties', 'renames',
        'event_aliases',
    ] -%}
    {%- set types = ['track', 'identify', 'page', 'screen', 'group', 'alias'] -%}
    {%- set meta = model.config.meta -%}
    {%- set file = (model.patch_path or model.original_file_path).split('://')[-1] -%}
    {%- set problems = [] -%}
    {%- do problems.extend(unknown_words(meta, event_words, file ~ ': config.meta')) -%}
    {%- if meta.get('type', 'track') not in types -%}
        {%- do problems.append(
            file ~ ": type '" ~ meta.type ~ "' is no kind of call. Types: "
            ~ types | join(', ') ~ '.'
        ) -%}
    {%- endif -%}
    {%- do problems.extend(action_problems(meta.enforcement, file ~ ': enforcement')) -%}
    {%- for name, rule in (meta.properties or {}).items() -%}
        {%- do problems.extend(rule_problems(rule, file ~ ': property ' ~ name)) -%}
    {%- endfor -%}
    {%- for column in model.columns.values() if column.config.meta.property -%}
        {%- set place = file ~ ': column ' ~ column.name -%}
        {%- do problems.extend(rule_problems(column.config.meta, place, ['property'])) -%}
        {%- if not column.data_type -%}
            {%- do problems.append(
                place ~ ' needs a data_type: it is the type of the property.'
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(problems) }}
{%- endmacro -%}


{#- The same of one rule, and of those inside it. -#}
{%- macro rule_problems(rule, place, more_words=[]) -%}
    {%- set words = [
        'required', 'type', 'enum', 'pattern', 'format', 'minimum', 'maximum', 'items',
        'properties', 'pii',
    ] -%}
    {%- set types = [
        'string', 'number', 'integer', 'boolean', 'object', 'array', 'null',
    ] -%}
    {%- set formats = ['date-time', 'date'] + format_patterns() | list -%}
    {%- set problems = [] -%}
    {%- if rule is not mapping -%}
        {{ return([place ~ ': ' ~ rule ~ ' is no rule: give words such as type.']) }}
    {%- endif -%}
    {%- do problems.extend(
        unknown_words(rule, more_words + words + ['description'], place)
    ) -%}
    {%- for type in rule_types({'type': rule.type}) if type not in types -%}
        {%- do problems.append(
            place ~ ": type '" ~ type ~ "' is none of JSON. Types: "
            ~ types | join(', ') ~ '.'
        ) -%}
    {%- endfor -%}
    {%- if rule.format and rule.format not in formats -%}
        {%- do problems.append(
            place ~ ": unknown format '" ~ rule.format ~ "'. Formats: "
            ~ formats | join(', ') ~ '.'
        ) -%}
    {%- endif -%}
    {%- for name, member in (rule.properties or {}).items() -%}
        {%- do problems.extend(rule_problems(member, place ~ '.' ~ name)) -%}
    {%- endfor -%}
    {%- if 'items' in rule -%}
        {%- do problems.extend(rule_problems(rule['items'], place ~ '[]')) -%}
    {%- endif -%}
    {{ return(problems) }}
{%- endmacro -%}


{%- macro action_problems(actions, place) -%}
    {%- set problems = unknown_words(actions or {}, violation_kinds(), place) -%}
    {%- for kind, action in (actions or {}).items() -%}
        {%- set allowed = ['allow', 'omit', 'quarantine'] -%}
        {%- if kind in ['unplanned_event', 'required_missing'] -%}
            {%- set allowed = ['allow', 'quarantine'] -%}
        {%- endif -%}
        {%- if action not in allowed -%}
            {%- do problems.append(
                place ~ ': ' ~ kind ~ " cannot be '" ~ action ~ "'. Actions: "
                ~ allowed | join(', ') ~ '.'
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(problems) }}
{%- endmacro -%}


{%- macro unknown_words(given, words, place) -%}
    {%- set problems = [] -%}
    {%- for word in given if word not in words -%}
        {%- do problems.append(
            place ~ ": unknown word '" ~ word ~ "'. Words: " ~ words | join(', ') ~ '.'
        ) -%}
    {%- endfor -%}
    {{ return(problems) }}
{%- endmacro -%}
