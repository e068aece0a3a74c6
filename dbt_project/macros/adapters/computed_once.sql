{#- Stands between `as` and the parenthesis of a CTE that several others read, and says
    that its rows are to be computed once and not anew for each of them. Nothing where
    an engine decides that by itself. -#}
{% macro computed_once() %}
    {{- return(adapter.dispatch('computed_once')()) -}}
{% endmacro %}

{% macro default__computed_once() %}
    {{- return('') -}}
{% endmacro %}

{% macro duckdb__computed_once() %}
    {{- return('materialized') -}}
{% endmacro %}
