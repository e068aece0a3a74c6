{#- Profiles that are taken for one person in one use, as a relation in parentheses:
    profile_id, suggested_profile_id and score, each pair both ways round.

        inner join {{ suggested_profiles(0.95) }} as alike
            on members.profile_id = alike.profile_id

    How sure is sure enough differs from use to use: an advertisement that reaches a
    stranger costs a cent, an invoice that does costs a customer. So there is no usual
    threshold: without one, no two profiles are taken for one. -#}
{% macro suggested_profiles(threshold=none) %}
    {%- if threshold is none -%}
        {%- set text = dbt.type_string() -%}
        {{- return(
            '(select cast(null as ' ~ text ~ ') as profile_id, cast(null as ' ~ text
            ~ ') as suggested_profile_id, cast(null as ' ~ dbt.type_float()
            ~ ') as score where 1 = 0)'
        ) -}}
    {%- endif -%}
    {%- do check_threshold(threshold) -%}
    {%- set pairs = ref('suggested_links') ~ ' where score >= ' ~ threshold -%}
    {{- return(
        '(select left_profile_id as profile_id, '
        ~ 'right_profile_id as suggested_profile_id, score from ' ~ pairs
        ~ ' union all select right_profile_id as profile_id, '
        ~ 'left_profile_id as suggested_profile_id, score from ' ~ pairs ~ ')'
    ) -}}
{% endmacro %}


{% macro check_threshold(threshold) %}
    {%- set matching = var('matching') -%}
    {%- set asked = model.name ~ ': suggested_profiles(' ~ threshold ~ '): ' -%}
    {%- if not matching.get('enabled') -%}
        {%- do exceptions.raise_compiler_error(
            asked ~ 'no profiles are matched. Set matching.enabled in the vars of '
            ~ 'dbt_project.yml to true, or leave out the threshold.'
        ) -%}
    {%- endif -%}
    {%- if threshold is not number or not 0 < threshold <= 1 -%}
        {%- do exceptions.raise_compiler_error(
            asked ~ 'a threshold is a number above 0 and up to 1.'
        ) -%}
    {%- endif -%}
    {%- if threshold < matching.minimum_score -%}
        {%- do exceptions.raise_compiler_error(
            asked ~ 'suggested_links has no pairs below matching.minimum_score, which is '
            ~ matching.minimum_score ~ '. Raise the threshold, or lower that.'
        ) -%}
    {%- endif -%}
{% endmacro %}
