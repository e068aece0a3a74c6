{#- The entries of `vars: frequency_caps`, checked. -#}
{%- macro frequency_cap_entries() -%}
    {%- set known = ['cap', 'limit', 'within_days', 'syncs', 'events'] -%}
    {%- set caps = var('frequency_caps', []) or [] -%}
    {%- set names = [] -%}
    {%- for cap in caps -%}
        {%- if cap is not mapping or cap | reject('in', known) | list
            or not cap.get('cap') or not is_count(cap.get('limit'))
            or not is_count(cap.get('within_days')) -%}
            {%- do exceptions.raise_compiler_error(
                'dbt_project.yml, vars, frequency_caps: an entry is {cap: name, limit: '
                ~ 'whole number, within_days: whole number, syncs: […], events: […]}.'
            ) -%}
        {%- endif -%}
        {%- do names.append(cap.cap) -%}
    {%- endfor -%}
    {%- if names | unique(true) | list | length < names | length -%}
        {%- do exceptions.raise_compiler_error(
            'dbt_project.yml, vars, frequency_caps: two caps have one name.'
        ) -%}
    {%- endif -%}
    {{- return(caps) -}}
{%- endmacro -%}


{#- The caps whose limit a sync has to keep to. -#}
{%- macro frequency_caps_of(sync) -%}
    {%- set names = [] -%}
    {%- for cap in frequency_cap_entries() if sync in cap.get('syncs', []) -%}
        {%- do names.append(cap.cap) -%}
    {%- endfor -%}
    {{- return(names) -}}
{%- endmacro -%}


{#- The column by whose values a sync's destination knows people. -#}
{%- macro key_of_sync(sync) -%}
    {%- set models = graph.nodes.values() if execute else [] -%}
    {%- for model in models if model.resource_type == 'model' and model.name == sync -%}
        {%- set settings = model.config.get('meta', {}).get('sync') or {} -%}
        {%- if settings.get('mode') != 'upsert' -%}
            {%- do exceptions.raise_compiler_error(
                'dbt_project.yml, vars, frequency_caps: ' ~ sync ~ ' is no sync of mode '
                ~ 'upsert. What a cap takes out of a mirror would be deleted at its '
                ~ 'destination.'
            ) -%}
        {%- endif -%}
        {%- if settings.get('on_leave', 'nothing') != 'nothing' -%}
            {%- do exceptions.raise_compiler_error(
                'dbt_project.yml, vars, frequency_caps: ' ~ sync ~ ' tells its '
                ~ 'destination what leaves (on_leave). It would tell it of everybody '
                ~ 'whom a cap takes out.'
            ) -%}
        {%- endif -%}
        {{- return(settings.key) -}}
    {%- endfor -%}
    {%- if execute -%}
        {%- do exceptions.raise_compiler_error(
            'dbt_project.yml, vars, frequency_caps: there is no sync ' ~ sync ~ '.'
        ) -%}
    {%- endif -%}
    {{- return('') -}}
{%- endmacro -%}
