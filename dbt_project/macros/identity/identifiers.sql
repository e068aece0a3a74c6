{#- The list `identifiers` of dbt_project.yml, as expressions of SQL. -#}

{#- The identifiers, strongest first, each with its `priority` (1 is the strongest) and
    every setting that it leaves out. -#}
{% macro identifier_types() %}
    {%- do check_identifiers() -%}
    {%- set types = [] -%}
    {%- for identifier in var('identifiers') -%}
        {%- do types.append({
            'type': identifier.type,
            'priority': loop.index,
            'paths': identifier.get('paths', []),
            'when': identifier.get('when', {}),
            'external_id': identifier.get('external_id', false),
            'lower': identifier.get('lower', false),
            'limit': identifier.get('limit'),
            'limit_window': identifier.get('limit_window', 'ever'),
            'blocked': identifier.get('blocked', []),
            'blocked_pattern': identifier.get('blocked_pattern'),
        }) -%}
    {%- endfor -%}
    {{- return(types) -}}
{% endmacro %}


{#- How many identifiers of each type a profile may hold; a type without a limit is not
    in it. -#}
{% macro identifier_limits() %}
    {%- set limits = {} -%}
    {%- for identifier in identifier_types() if identifier.limit is not none -%}
        {%- do limits.update({identifier.type: identifier.limit}) -%}
    {%- endfor -%}
    {{- return(limits) -}}
{% endmacro %}


{#- The name under which a limit counts: of a limit per window, one for each window, by
    the time at which an identifier was first seen. -#}
{% macro limit_key(identifier_type, first_seen_at) %}
    {%- set cases = [] -%}
    {%- for identifier in identifier_types()
        if identifier.limit is not none and identifier.limit_window != 'ever' -%}
        {%- set window = calendar_window(first_seen_at, identifier.limit_window) -%}
        {%- do cases.append(
            ' when ' ~ string_literal(identifier.type) | trim ~ ' then '
            ~ identifier_type ~ " || ' ' || " ~ window | trim
        ) -%}
    {%- endfor -%}
    {%- if not cases -%}
        {{- return(identifier_type) -}}
    {%- endif -%}
    {{- return(
        'case ' ~ identifier_type ~ cases | join('') ~ ' else ' ~ identifier_type
        ~ ' end'
    ) -}}
{% endmacro %}


{#- The limit of an identifier's type; null for a type without one. -#}
{% macro limit_of_identifier(identifier_type) %}
    {%- set cases = [] -%}
    {%- for type, limit in identifier_limits().items() -%}
        {%- do cases.append(
            ' when ' ~ string_literal(type) | trim ~ ' then ' ~ limit
        ) -%}
    {%- endfor -%}
    {%- if not cases -%}
        {{- return('cast(null as bigint)') -}}
    {%- endif -%}
    {{- return(
        'cast(case ' ~ identifier_type ~ cases | join('') ~ ' end as bigint)'
    ) -}}
{% endmacro %}


{#- The build that last changed what an identifier counts toward: another window by an
    earlier first sight. A limit without window counts whenever that was. -#}
{% macro limit_batch_id(identifier_type, age_batch_id) %}
    {%- set windowed = [] -%}
    {%- for identifier in identifier_types()
        if identifier.limit is not none and identifier.limit_window != 'ever' -%}
        {%- do windowed.append(string_literal(identifier.type) | trim) -%}
    {%- endfor -%}
    {%- if not windowed -%}
        {{- return('cast(0 as bigint)') -}}
    {%- endif -%}
    {{- return(
        'case when ' ~ identifier_type ~ ' in (' ~ windowed | join(', ') ~ ') then '
        ~ age_batch_id ~ ' else 0 end'
    ) -}}
{% endmacro %}


{#- An identifier as a number. -#}
{% macro identifier_id(identifier_type, identifier_value) %}
    {{- return(bigint_hash(
        identifier_type ~ " || ':' || " ~ identifier_value
    )) -}}
{% endmacro %}


{% macro normalized_identifier(expression, lower) %}
    {%- set value = trimmed(expression) -%}
    {{- return(lowered(value) if lower else value) -}}
{% endmacro %}


{#- The value as identifiers of the type that stands in another column are kept. -#}
{% macro normalized_by_type(identifier_type, identifier_value) %}
    {%- set types = [] -%}
    {%- for identifier in identifier_types() if identifier.lower -%}
        {%- do types.append(string_literal(identifier.type) | trim) -%}
    {%- endfor -%}
    {%- set value = normalized_identifier(identifier_value, false) -%}
    {%- if not types -%}
        {{- return(value) -}}
    {%- endif -%}
    {{- return(
        'case when ' ~ identifier_type ~ ' in (' ~ types | join(', ') ~ ') then '
        ~ normalized_identifier(identifier_value, true) ~ ' else ' ~ value ~ ' end'
    ) -}}
{% endmacro %}


{#- True for values that stand for nobody, or for everybody. -#}
{% macro is_blocked_identifier(identifier, value) %}
    {%- set conditions = [] -%}
    {%- set texts = [] -%}
    {%- for text in var('blocked_identifiers') + identifier.blocked -%}
        {%- do texts.append(string_literal(text | string | lower) | trim) -%}
    {%- endfor -%}
    {%- if texts -%}
        {%- do conditions.append(
            lowered(value) ~ ' in (' ~ texts | unique | join(', ') ~ ')'
        ) -%}
    {%- endif -%}
    {%- for pattern in [var('blocked_identifier_pattern'), identifier.blocked_pattern]
        if pattern -%}
        {%- do conditions.append(matches_pattern(value, pattern) | trim) -%}
    {%- endfor -%}
    {{- return(conditions | join(' or ') if conditions else 'false') -}}
{% endmacro %}


{#- The public id of the profile whose earliest identifier this is. -#}
{% macro profile_id(identifier_type, identifier_value) %}
    {{- return(
        "substr(md5(" ~ identifier_type ~ " || ':' || " ~ identifier_value ~ "), 1, 16)"
    ) -}}
{% endmacro %}
