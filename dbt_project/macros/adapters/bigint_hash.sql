{#- A 64-bit integer made from text: the same for the same text in every version and on
    every run, so that it may be stored. -#}
{% macro bigint_hash(text) %}
    {{- return(adapter.dispatch('bigint_hash')(text)) -}}
{% endmacro %}

{% macro duckdb__bigint_hash(text) %}
    {{- return('cast(md5_number_lower(' ~ text ~ ') >> 1 as bigint)') -}}
{% endmacro %}
