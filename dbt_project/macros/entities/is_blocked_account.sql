{#- True for values that name no account: what stands for nobody, of any type of
    identifier, stands for no company either. -#}
{% macro is_blocked_account(value) %}
    {%- set account = {'blocked': [''], 'blocked_pattern': none} -%}
    {{- return(is_blocked_identifier(account, value)) -}}
{% endmacro %}
