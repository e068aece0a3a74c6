{#- The traits of `vars: trait_history`, whose past is kept. -#}
{%- macro trait_history_entries() -%}
    {%- set names = var('trait_history', []) or [] -%}
    {%- if names is string or names is mapping or names | reject('string') | list -%}
        {%- do exceptions.raise_compiler_error(
            'dbt_project.yml, vars, trait_history: this is a list of columns of profiles.'
        ) -%}
    {%- endif -%}
    {{- return(names | unique | list) -}}
{%- endmacro -%}


{#- Their values in `relation`, as text, one to a row; no row where there is none. -#}
{%- macro kept_traits(relation) -%}
    {%- set text = dbt.type_string() -%}
    {%- set selects = [] -%}
    {%- for name in trait_history_entries() -%}
        {%- set column = adapter.quote(name) -%}
        {%- do selects.append(
            'select profile_id, ' ~ string_literal(name) ~ ' as trait, cast(' ~ column
            ~ ' as ' ~ text ~ ') as value from ' ~ relation ~ ' where ' ~ column
            ~ ' is not null'
        ) -%}
    {%- endfor -%}
    {%- set nothing = 'select profile_id, cast(null as ' ~ text ~ ') as trait, cast(null as '
        ~ text ~ ') as value from ' ~ relation ~ ' where 1 = 0' -%}
    ({{ selects | join(' union all ') or nothing }})
{%- endmacro -%}


{#- Their names, as a list to stand after `in`. -#}
{%- macro kept_trait_names() -%}
    {%- set names = [] -%}
    {%- for name in trait_history_entries() -%}
        {%- do names.append(string_literal(name)) -%}
    {%- endfor -%}
    ({{ names | join(', ') or 'null' }})
{%- endmacro -%}
