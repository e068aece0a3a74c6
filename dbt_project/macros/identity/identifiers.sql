{#- The identifiers of dbt_project.yml, as expressions that find them in an event. -#}

{#- Where identifiers stand in an event: one entry per place, strongest first, each with
    its type, priority (1 is the strongest) and the SQL expression of its value. An
    alias call names the visitor's former anonymous_id in previous_id, so that column is
    a second place of that type. -#}
{% macro identifier_places() %}
    {%- do check_identifiers() -%}
    {%- set places = [] -%}
    {%- for identifier in var('identifiers') -%}
        {%- set lower = identifier.get('lower', false) -%}
        {%- set found = [] -%}
        {%- for path in identifier.paths -%}
            {%- do found.append(identifier_path(path)) -%}
        {%- endfor -%}
        {%- if found | length > 1 -%}
            {%- set raw = 'coalesce(' ~ found | join(', ') ~ ')' -%}
        {%- else -%}
            {%- set raw = found[0] -%}
        {%- endif -%}
        {%- set value = normalized_identifier(raw, lower) -%}
        {%- do places.append({
            'type': identifier.type, 'priority': loop.index, 'value': value
        }) -%}
        {%- if identifier.type == 'anonymous_id' -%}
            {%- set alias = "case when type = 'alias' then previous_id end" -%}
            {%- set previous = normalized_identifier(alias, lower) -%}
            {#- An identifier that stands in both places counts once. -#}
            {%- do places.append({
                'type': identifier.type,
                'priority': loop.index,
                'value': 'nullif(' ~ previous ~ ', ' ~ value ~ ')',
            }) -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(places) -}}
{% endmacro %}


{#- How many identifiers of each type a profile may hold; a type without a limit is not
    in it. -#}
{% macro identifier_limits() %}
    {%- set limits = {} -%}
    {%- for identifier in var('identifiers') if identifier.get('limit') is not none -%}
        {%- do limits.update({identifier.type: identifier.limit}) -%}
    {%- endfor -%}
    {{- return(limits) -}}
{% endmacro %}


{#- Changes whenever the rules do by which identifiers are taken from an event. -#}
{% macro identifier_rules_version() %}
    {%- set rules = [] -%}
    {%- for place in identifier_places() -%}
        {%- do rules.append([place.type, place.value]) -%}
    {%- endfor -%}
    {%- do rules.append(var('blocked_identifiers')) -%}
    {%- do rules.append(var('blocked_identifier_pattern')) -%}
    {{- return(local_md5(tojson(rules))) -}}
{% endmacro %}


{#- The value at a path: a column of stg_events, or a path inside a JSON column. -#}
{% macro identifier_path(path) %}
    {%- set keys = path.split('.') -%}
    {{- return(json_text(keys[0], keys[1:]) | trim if keys | length > 1 else path) -}}
{% endmacro %}


{% macro normalized_identifier(expression, lower) %}
    {%- set trimmed = 'trim(' ~ expression ~ ')' -%}
    {{- return('lower(' ~ trimmed ~ ')' if lower else trimmed) -}}
{% endmacro %}


{#- True for values that stand for nobody, or for everybody. -#}
{% macro is_blocked_identifier(value) %}
    {%- set blocked = [] -%}
    {%- for text in var('blocked_identifiers') -%}
        {%- do blocked.append(string_literal(text) | trim) -%}
    {%- endfor -%}
    {%- set conditions = [] -%}
    {%- if blocked -%}
        {%- do conditions.append(value ~ ' in (' ~ blocked | join(', ') ~ ')') -%}
    {%- endif -%}
    {%- if var('blocked_identifier_pattern') -%}
        {%- set pattern = var('blocked_identifier_pattern') -%}
        {%- do conditions.append(matches_pattern(value, pattern) | trim) -%}
    {%- endif -%}
    {{- return(conditions | join(' or ') if conditions else 'false') -}}
{% endmacro %}


{#- The public id of the profile whose earliest identifier this is. -#}
{% macro profile_id(identifier_type, identifier_value) %}
    {{- return(
        "substr(md5(" ~ identifier_type ~ " || ':' || " ~ identifier_value ~ "), 1, 16)"
    ) -}}
{% endmacro %}
