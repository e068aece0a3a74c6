{#-
    The pre-hook of the folder `audiences`. It renders to nothing; what counts is that dbt
    sees the refs to what the audience materialization reads, and builds that first.
-#}
{%- macro depend_on_audience_log(model) -%}
    {%- if model.config.materialized == 'audience' -%}
        {%- do ref('audience_changes') -%}
        {%- do ref('audience_freshness') -%}
        {%- do ref('profile_identifiers') -%}
        {%- do ref('profile_merges') -%}
        {#- dbt asks once more when it has read the yml. -#}
        {%- if strata_of_audience(model) -%}
            {%- do ref('audience_placements') -%}
            {%- do ref('profiles') -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro -%}


{#- The names of the audiences that have a file, as a list to stand after `in`. -#}
{%- macro audience_names() -%}
    {%- set names = [] -%}
    {%- set models = graph.nodes.values() if execute else [] -%}
    {%- for model in models if model.config.materialized == 'audience' -%}
        {%- do names.append(string_literal(model.name)) -%}
    {%- endfor -%}
    ({{ names | join(', ') or 'null' }})
{%- endmacro -%}


{#- The same, one to a row: something to select `audience` from. -#}
{%- macro audience_rows() -%}
    {%- set names = [] -%}
    {%- set models = graph.nodes.values() if execute else [] -%}
    {%- for model in models if model.config.materialized == 'audience' -%}
        {%- do names.append(model.name) -%}
    {%- endfor -%}
    {{ rows_of_texts('audience', names) }}
{%- endmacro -%}


{#- The types of identifiers of dbt_project.yml, one to a row. -#}
{%- macro identifier_type_rows() -%}
    {%- set names = [] -%}
    {%- for identifier in var('identifiers') -%}
        {%- do names.append(identifier.type) -%}
    {%- endfor -%}
    {{ rows_of_texts('identifier_type', names) }}
{%- endmacro -%}


{#- Texts as the rows of a relation with one column. -#}
{%- macro rows_of_texts(column, texts) -%}
    {%- set selects = [] -%}
    {%- for text in texts -%}
        {%- do selects.append('select ' ~ string_literal(text) ~ ' as ' ~ column) -%}
    {%- endfor -%}
    {%- set nothing = 'select cast(null as ' ~ dbt.type_string() ~ ') as ' ~ column
        ~ ' where 1 = 0' -%}
    ({{ selects | join(' union all ') or nothing }})
{%- endmacro -%}
