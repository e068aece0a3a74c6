{#- The limit of `node_type`; null, so never exceeded, for a type without one. -#}
{% macro limit_of_type(limits) %}
    {%- set cases = [] -%}
    {%- for type, limit in limits.items() -%}
        {%- set name = string_literal(type) | trim -%}
        {%- do cases.append(' when ' ~ name ~ ' then ' ~ limit) -%}
    {%- endfor -%}
    {%- if not cases -%}
        {{- return('cast(null as bigint)') -}}
    {%- endif -%}
    {{- return('case node_type' ~ cases | join('') ~ ' end') -}}
{% endmacro %}


{#- A CTE `sides`: each edge twice, once per cluster that it touches. -#}
{% macro sides_of(edges) %}
    {{- return(
        'sides as (select edge_id, left_cluster as cluster_id from ' ~ edges
        ~ ' union all select edge_id, right_cluster as cluster_id from ' ~ edges ~ ')'
    ) -}}
{% endmacro %}
