{#- True for values that name no account: what stands for nobody, of any type of
    identifier, stands for no company either. -#}
{% macro is_blocked_account(value) %}
    {%- set blocked = [] -%}
    {%- for text in var('blocked_identifiers') -%}
        {%- do blocked.append(string_literal(text | lower) | trim) -%}
    {%- endfor -%}
    {%- set conditions = ["trim(" ~ value ~ ") = ''"] -%}
    {%- if blocked -%}
        {%- do conditions.append('lower(' ~ value ~ ') in (' ~ blocked | join(', ') ~ ')') -%}
    {%- endif -%}
    {%- if var('blocked_identifier_pattern') -%}
        {%- set pattern = var('blocked_identifier_pattern') -%}
        {%- do conditions.append(matches_pattern(value, pattern) | trim) -%}
    {%- endif -%}
    {{- return(conditions | join(' or ')) -}}
{% endmacro %}
