{#- A 64-bit integer made from text: the same for the same text in every version and on
    every run, so that it may be stored. -#}
{% macro bigint_hash(text) %}
    {{- return(adapter.dispatch('bigint_hash')(text)) -}}
{% endmacro %}

{#- By way of hexadecimal digits: md5_number_lower takes twice as long. -#}
{% macro duckdb__bigint_hash(text) %}
    {{- return(
        "cast(cast('0x' || left(md5(" ~ text ~ "), 16) as ubigint) >> 1 as bigint)"
    ) -}}
{% endmacro %}

{#- conv reads a number of 64 bits as one with a sign when it is asked for base -10. -#}
{% macro spark__bigint_hash(text) %}
    {{- return(
        "shiftrightunsigned(cast(conv(left(md5(" ~ text ~ "), 16), 16, -10) as bigint), 1)"
    ) -}}
{% endmacro %}
