{#- True where a regular expression (its text, not a literal) matches anywhere. -#}
{%- macro matches_pattern(expression, pattern) -%}
    {{ adapter.dispatch('matches_pattern')(expression, pattern) }}
{%- endmacro -%}

{%- macro duckdb__matches_pattern(expression, pattern) -%}
    regexp_matches({{ expression }}, {{ string_literal(pattern) }})
{%- endmacro -%}

{%- macro spark__matches_pattern(expression, pattern) -%}
    {{ expression }} rlike {{ string_literal(pattern) }}
{%- endmacro -%}
