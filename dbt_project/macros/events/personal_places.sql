{#- Where values about a person stand, by the plan: the paths of all properties with
    `pii: true`, those inside them too, in whichever event, and the paths that identify a
    person. -#}
{%- macro personal_paths() -%}
    {%- set paths = [] -%}
    {%- for event in planned_events() -%}
        {%- for property in event.properties -%}
            {%- do paths.extend(pii_paths(property, property.name)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for identifier in var('identifiers') -%}
        {%- for path in identifier.paths if '.' in path -%}
            {%- do paths.append(path.split('.')[1:] | join('.')) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(paths | unique | sort) }}
{%- endmacro -%}


{#- The paths of a rule and of those inside it that say pii. -#}
{%- macro pii_paths(rule, path) -%}
    {%- if rule.pii -%}
        {{ return([path]) }}
    {%- endif -%}
    {%- set paths = [] -%}
    {%- for name, member in (rule.get('properties') or {}).items() -%}
        {%- do paths.extend(pii_paths(member, path ~ '.' ~ name)) -%}
    {%- endfor -%}
    {%- if rule.get('items') -%}
        {%- do paths.extend(pii_paths(rule.get('items'), path ~ '[]')) -%}
    {%- endif -%}
    {{ return(paths) }}
{%- endmacro -%}


{#- Whether a value may be about a person: by its path, or because it looks like an e-mail
    address or a telephone number, wherever it stands. -#}
{%- macro is_personal(path, value) -%}
    (
        {%- for personal in personal_paths() %}
        {{ path }} = {{ string_literal(personal) }}
        or {{ path }} like {{ string_literal(personal ~ '.%') }}
        or {{ path }} like {{ string_literal(personal ~ '[]%') }}
        or {%- endfor %}
        coalesce({{ matches_pattern(value, personal_pattern()) }}, false)
    )
{%- endmacro -%}


{%- macro personal_pattern() -%}
    [^@\s]@[^@\s]+\.[a-zA-Z]|^\+?[0-9][0-9 ()/.-]{6,}[0-9]$
{%- endmacro -%}
