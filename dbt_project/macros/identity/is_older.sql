{#- Whether of two rows of int_identifiers with one priority the first arrived earlier. -#}
{% macro is_older(one, other) %}
    {{- return(
        '(' ~ one ~ '.first_seen_at < ' ~ other ~ '.first_seen_at or ('
        ~ one ~ '.first_seen_at = ' ~ other ~ '.first_seen_at and ('
        ~ one ~ '.first_message_id < ' ~ other ~ '.first_message_id or ('
        ~ one ~ '.first_message_id = ' ~ other ~ '.first_message_id and '
        ~ one ~ '.identifier_value < ' ~ other ~ '.identifier_value))))'
    ) -}}
{% endmacro %}
