{#- Where a text falls, from 0 to 999,999: evenly, and always the same for one salt. -#}
{%- macro place_in_million(salt, text) -%}
    {{- return('mod(' ~ bigint_hash(salt ~ " || ':' || " ~ text) ~ ', 1000000)') -}}
{%- endmacro -%}


{#- Whether a profile is nobody's to contact; see control_group. -#}
{%- macro is_in_control_group(profile_id) -%}
    {%- set percent = control_group_percent() -%}
    {%- if percent == 0 -%}
        {{- return('1 = 0') -}}
    {%- endif -%}
    {{- return(
        place_in_million("'control_group'", profile_id) ~ ' < '
        ~ (percent * 10000) | round | int
    ) -}}
{%- endmacro -%}


{#- How many profiles of a hundred are in the control group. -#}
{%- macro control_group_percent() -%}
    {%- set settings = var('control_group', {}) or {} -%}
    {%- set percent = settings.get('percent', 0) -%}
    {%- if percent is boolean or percent is not number or not 0 <= percent <= 100
        or settings | reject('equalto', 'percent') | list -%}
        {%- do exceptions.raise_compiler_error(
            'dbt_project.yml, vars, control_group: this is {percent: …}, a number from '
            ~ '0 to 100.'
        ) -%}
    {%- endif -%}
    {{- return(percent) -}}
{%- endmacro -%}
