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


{#- The opposite, in the same place: its rows are to be computed for each of its readers,
    because they are too many to be kept in memory. -#}
{% macro computed_anew() %}
    {{- return(adapter.dispatch('computed_anew')()) -}}
{% endmacro %}

{% macro default__computed_anew() %}
    {{- return('') -}}
{% endmacro %}

{% macro duckdb__computed_anew() %}
    {{- return('not materialized') -}}
{% endmacro %}
