{#- The history of clusters that became one.

    The model is a select of edges in the order of arrival: `edge_id` (bigint, unique),
    `left_id` and `right_id` (bigint, never null; smaller is older). Its table has one
    row per edge that joined two clusters: `losing_id` and `surviving_id`, the oldest
    nodes of the younger and of the older cluster, and `edge_id`. -#}
{% materialization merges, default %}
    {{ run_hooks(pre_hooks) }}

    {% set target = replace_table(merge_history(create_work_table('edges', sql))) %}
    {% do drop_work_tables() %}

    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}
