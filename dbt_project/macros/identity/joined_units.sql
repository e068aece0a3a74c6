{#- Makes the work table `units` (node_id, unit_id) of the nodes that joins by rule make
    one; a pre-hook too. -#}
{% macro make_joined_units(joins) %}
    {%- if execute -%}
        {%- do create_work_table(
            'units',
            'select node_id, cluster_id as unit_id from ' ~ contract_edges(joins)
        ) -%}
    {%- endif -%}
{% endmacro %}
