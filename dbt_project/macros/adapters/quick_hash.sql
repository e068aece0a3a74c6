{#- A 64-bit integer made from the values of columns, for use in one query: quick, but
    another one in other versions, and not the same in all engines. -#}
{% macro quick_hash(columns) %}
    {{- return(adapter.dispatch('quick_hash')(columns)) -}}
{% endmacro %}

{% macro duckdb__quick_hash(columns) %}
    {{- return('hash(' ~ columns | join(', ') ~ ')') -}}
{% endmacro %}

{% macro spark__quick_hash(columns) %}
    {{- return('xxhash64(' ~ columns | join(', ') ~ ')') -}}
{% endmacro %}
