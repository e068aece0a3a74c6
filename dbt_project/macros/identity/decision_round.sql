{#- The steps of one round of decide_edges. -#}

{#- What joins in this round (node_id, tree_id): the first two of each tree, and the
    hooks on them that come before any edge that leaves the tree and before the first
    one that would break a limit. -#}
{% macro taken_hooks_within_limits(open, counts) %}
    {%- set sql -%}
        with

        sides as (

            select edge_no, left_id as node_id, right_id as neighbour_id
            from {{ open }}
            union all
            select edge_no, right_id as node_id, left_id as neighbour_id
            from {{ open }}

        ),

        hooks as (

            select
                node_id,
                min(edge_no) as edge_no,
                min_by(neighbour_id, edge_no) as neighbour_id
            from sides
            group by node_id

        ),

        -- Of the two that have the same earliest edge, the smaller is the root.
        pointers as (

            select
                hooks.node_id,
                hooks.edge_no,
                case
                    when
                        hooks.edge_no = neighbours.edge_no
                        and hooks.node_id < hooks.neighbour_id
                        then hooks.node_id
                    else hooks.neighbour_id
                end as tree_id
            from hooks
            inner join hooks as neighbours
                on hooks.neighbour_id = neighbours.node_id

        ),

        followed as (

            select
                pointers.node_id,
                pointers.edge_no,
                there.tree_id
            from pointers
            inner join pointers as there
                on pointers.tree_id = there.node_id

        ),

        -- A hook too far from its root for two steps waits for a later round.
        trees as (

            select
                followed.node_id,
                case
                    when followed.node_id = there.tree_id then 0
                    else followed.edge_no
                end as edge_no,
                there.tree_id
            from followed
            inner join followed as there
                on followed.tree_id = there.node_id
            inner join pointers as roots
                on
                    there.tree_id = roots.node_id
                    and roots.node_id = roots.tree_id

        ),

        reached as (

            select
                edges.edge_no,
                coalesce(at_left.tree_id, edges.left_id) as left_tree,
                coalesce(at_right.tree_id, edges.right_id) as right_tree
            from {{ open }} as edges
            left join trees as at_left on edges.left_id = at_left.node_id
            left join trees as at_right on edges.right_id = at_right.node_id

        ),

        stops as (

            select tree_id, min(edge_no) as edge_no
            from (
                select left_tree as tree_id, edge_no
                from reached
                where left_tree <> right_tree
                union all
                select right_tree as tree_id, edge_no
                from reached
                where left_tree <> right_tree
                union all
                select tree_id, edge_no
                from (
                    select
                        trees.tree_id,
                        trees.edge_no,
                        counts.limit_value,
                        sum(counts.unit_count) over (
                            partition by trees.tree_id, counts.limit_number
                            order by trees.edge_no
                            rows between unbounded preceding and current row
                        ) as unit_count
                    from trees
                    inner join {{ counts }} as counts
                        on trees.node_id = counts.cluster_id
                ) as held
                where unit_count > limit_value
            ) as barriers
            group by tree_id

        )

        select trees.node_id, trees.tree_id
        from trees
        left join stops on trees.tree_id = stops.tree_id
        where stops.edge_no is null or trees.edge_no < stops.edge_no
    {%- endset -%}
    {{- return(sql) -}}
{% endmacro %}


{#- The counts of clusters that have open edges, after this round's hooks. -#}
{% macro counts_after_hooks(open, counts) %}
    {%- set sql -%}
        select
            coalesce(taken.tree_id, counts.cluster_id) as cluster_id,
            counts.limit_number,
            min(counts.limit_value) as limit_value,
            cast(sum(counts.unit_count) as bigint) as unit_count
        from {{ counts }} as counts
        left join {{ work_table('taken') }} as taken
            on counts.cluster_id = taken.node_id
        where counts.cluster_id in (
            select left_id from {{ open }} union all select right_id from {{ open }}
        )
        group by coalesce(taken.tree_id, counts.cluster_id), counts.limit_number
    {%- endset -%}
    {{- return(sql) -}}
{% endmacro %}


{#- The earliest edge of each pair of clusters, unless both together break a limit. Only
    edges at a cluster that has grown are looked at. -#}
{% macro edges_within_limits(moved, counts) %}
    {%- set sql -%}
        with

        pairs as (

            select
                least(left_id, right_id) as left_id,
                greatest(left_id, right_id) as right_id,
                min(edge_no) as edge_no,
                max(is_moved) as is_moved
            from {{ moved }} as moved
            where left_id <> right_id
            group by least(left_id, right_id), greatest(left_id, right_id)

        ),

        -- Each side by itself: joined with each other, all clusters that count toward
        -- one limit would meet.
        sides as (

            select edge_no, left_id as cluster_id
            from pairs
            where is_moved = 1
            union all
            select edge_no, right_id as cluster_id
            from pairs
            where is_moved = 1

        ),

        broken as (

            select sides.edge_no
            from sides
            inner join {{ counts }} as counts
                on sides.cluster_id = counts.cluster_id
            group by sides.edge_no, counts.limit_number
            having sum(counts.unit_count) > min(counts.limit_value)

        )

        select edge_no, left_id, right_id
        from pairs
        where edge_no not in (select edge_no from broken)
    {%- endset -%}
    {{- return(sql) -}}
{% endmacro %}
