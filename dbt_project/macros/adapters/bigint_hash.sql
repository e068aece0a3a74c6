{#- A 64-bit integer made from text: the same for the same text in every version and on
    every run, so that it may be stored. -#}
{% macro bigint_hash(text) %}
    {{- return(adapter.dispatch('bigint_hash')(text)) -}}
{% endmacro %}

{#- md5_number reads the 16 bytes from the last to the first, so these are the last eight
    of them, without the lowest bit. Hexadecimal digits, and md5_number_upper, take twice
    as long. -#}
{% macro duckdb__bigint_hash(text) %}
    {{- return('cast(md5_number(' ~ text ~ ') >> 65 as bigint)') -}}
{% endmacro %}

{#- conv reads a number of 64 bits as one with a sign when it is asked for base -10. -#}
{% macro spark__bigint_hash(text) %}
    {%- set last_bytes -%}
        regexp_replace(
            right(md5({{ text }}), 16),
            '(..)(..)(..)(..)(..)(..)(..)(..)',
            '$8$7$6$5$4$3$2$1'
        )
    {%- endset -%}
    {{- return(
        'shiftrightunsigned(cast(conv(' ~ last_bytes ~ ', 16, -10) as bigint), 1)'
    ) -}}
{% endmacro %}
