{#-
    The pre-hook of the folder `audiences`. It renders to nothing; what counts is that dbt
    sees the two refs, which the audience materialization reads, and builds them first.
-#}
{%- macro depend_on_audience_log(model) -%}
    {%- if model.config.materialized == 'audience' -%}
        {%- do ref('audience_changes') -%}
        {%- do ref('profile_merges') -%}
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
