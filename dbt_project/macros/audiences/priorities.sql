{#- The audiences of `vars: priority_lists`, each with its list and its place in it, from
    1; the first of a list is the highest. -#}
{%- macro priority_list_entries() -%}
    {%- set lists = var('priority_lists', {}) or {} -%}
    {%- set entries = [] -%}
    {%- set names = [] -%}
    {%- for name, audiences in lists.items() -%}
        {%- for audience in audiences -%}
            {%- do names.append(audience) -%}
            {%- do entries.append({
                'priority_list': name, 'audience': audience, 'place': loop.index
            }) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if names | unique(true) | list | length < names | length -%}
        {%- do exceptions.raise_compiler_error(
            'dbt_project.yml, vars, priority_lists: an audience stands in one list, once.'
        ) -%}
    {%- endif -%}
    {{- return(entries) -}}
{%- endmacro -%}


{#- The priority lists that hold one of these audiences. -#}
{%- macro priority_lists_of(audiences) -%}
    {%- set names = [] -%}
    {%- for entry in priority_list_entries()
        if entry.audience in audiences and entry.priority_list not in names -%}
        {%- do names.append(entry.priority_list) -%}
    {%- endfor -%}
    {{- return(names) -}}
{%- endmacro -%}
