{#- The models of conditions that audiences read together, as a relation: which audience
    reads which, and how many audiences do. -#}
{%- macro shared_models_of_audiences() -%}
    {%- set pairs = [] -%}
    {%- set readers = {} -%}
    {%- set models = graph.nodes.values() if execute else [] -%}
    {%- for audience in models if audience.config.materialized == 'audience' -%}
        {%- for unique_id in audience.depends_on.nodes if unique_id in graph.nodes -%}
            {%- set model = graph.nodes[unique_id] -%}
            {%- if model.fqn[1:3] == ['audiences', 'conditions'] -%}
                {%- do pairs.append((audience.name, model.name)) -%}
                {%- do readers.update({model.name: readers.get(model.name, 0) + 1}) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set selects = [] -%}
    {%- for audience, model in pairs -%}
        {%- do selects.append(
            'select ' ~ string_literal(audience) ~ ' as audience, '
            ~ string_literal(model) ~ ' as model, ' ~ readers[model]
            ~ ' as reader_count'
        ) -%}
    {%- endfor -%}
    {%- set text = 'cast(null as ' ~ dbt.type_string() ~ ')' -%}
    {%- set nothing = 'select ' ~ text ~ ' as audience, ' ~ text
        ~ ' as model, 1 as reader_count where 1 = 0' -%}
    ({{ selects | join(' union all ') or nothing }})
{%- endmacro -%}
