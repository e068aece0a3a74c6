{#- What clusters may hold.

    A limit counts units: a node, or all nodes that joins by rule made one. The cap on
    all nodes of a cluster is a limit like the others, under the number 0. -#}

{#- A work table (group_id) of the groups that would hold more than they may, were each
    one cluster. `members` (node_id, group_id) is a relation or a select in brackets. -#}
{% macro groups_over_limits(name, members, settings) %}
    {%- set units = 'count(*)' -%}
    {%- if settings.units -%}
        {%- set units = 'count(distinct coalesce(units.unit_id, members.node_id))' -%}
    {%- endif -%}
    {%- set queries = [] -%}
    {%- if settings.maximum_nodes -%}
        {%- set over_cap -%}
            select members.group_id
            from {{ members }} as members
            {{ joined_units(settings) }}
            group by members.group_id
            having {{ units }} > {{ settings.maximum_nodes }}
        {%- endset -%}
        {%- do queries.append(over_cap) -%}
    {%- endif -%}
    {%- if settings.limits -%}
        {#- A group of no more nodes than the limit cannot break it: few rows are left
            to count by their keys. -#}
        {%- set over_limit -%}
            select limited.group_id
            from (
                select
                    members.group_id,
                    limits.limit_key
                from {{ members }} as members
                inner join (
                    select
                        group_id,
                        count(*) as node_count
                    from {{ members }} as counted
                    group by group_id
                ) as sizes
                    on members.group_id = sizes.group_id
                inner join {{ settings.limits }} as limits
                    on members.node_id = limits.node_id
                {{ joined_units(settings) }}
                where limits.limit_value < sizes.node_count
                group by members.group_id, limits.limit_key
                having {{ units }} > min(limits.limit_value)
            ) as limited
        {%- endset -%}
        {%- do queries.append(over_limit) -%}
    {%- endif -%}
    {%- if not queries -%}
        {%- do queries.append(
            'select cast(0 as bigint) as group_id where 1 = 0'
        ) -%}
    {%- endif -%}
    {{- return(create_work_table(name, queries | join(' union '))) -}}
{% endmacro %}


{#- Brings in `units`, which has a row for each node that a rule joins to others. -#}
{% macro joined_units(settings) %}
    {%- if settings.units -%}
        left join {{ settings.units }} as units
            on members.node_id = units.node_id
    {%- endif -%}
{% endmacro %}


{#- A work table (cluster_id, limit_number, limit_value, unit_count) of what each start
    of `members` (node_id, start_id) holds of everything that is limited. -#}
{% macro counts_of_starts(members, settings) %}
    {%- set units -%}
        count({{ 'distinct coalesce(units.unit_id, members.node_id)'
            if settings.units else '*' }})
    {%- endset -%}
    {%- set queries = [] -%}
    {%- if settings.maximum_nodes -%}
        {%- set by_cap -%}
            select
                members.start_id as cluster_id,
                cast(0 as bigint) as limit_number,
                cast({{ settings.maximum_nodes }} as bigint) as limit_value,
                {{ units }} as unit_count
            from {{ members }} as members
            {{ joined_units(settings) }}
            group by members.start_id
        {%- endset -%}
        {%- do queries.append(by_cap) -%}
    {%- endif -%}
    {%- if settings.limits -%}
        {%- set by_limit -%}
            select
                members.start_id as cluster_id,
                {{ bigint_hash('limits.limit_key') }} as limit_number,
                cast(min(limits.limit_value) as bigint) as limit_value,
                {{ units }} as unit_count
            from {{ members }} as members
            inner join {{ settings.limits }} as limits
                on members.node_id = limits.node_id
            {{ joined_units(settings) }}
            group by members.start_id, limits.limit_key
        {%- endset -%}
        {%- do queries.append(by_limit) -%}
    {%- endif -%}
    {{- return(create_work_table('counts_0', queries | join(' union all '))) -}}
{% endmacro %}
