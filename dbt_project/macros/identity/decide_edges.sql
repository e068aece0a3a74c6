{#- Takes edge after edge in their order, as far as the limits allow, in a few rounds.

    `members` (node_id, start_id) are the nodes and what they are part of at the start:
    themselves, or a cluster that stands. `edges` (edge_no, left_id, right_id) are edges
    between them, by their order. Returns `nodes`, a work table (node_id, cluster_id) of
    all members, and `undecided`, a work table (left_id, right_id) of the pairs of
    clusters, smaller first, that have an edge which was not decided.

    In a round, every cluster looks at its earliest edge. The two that have the same one
    join now, whatever happens elsewhere, and so does every cluster whose earliest edge
    leads to them (its hook), directly or over others, as long as two things hold: no edge
    that leaves this tree is earlier, and what the tree holds so far, one hook after the
    other, breaks no limit. Then every edge goes whose two clusters
    together would break one: they can only grow, so it would be dropped whenever its
    turn came. So the rounds give what taking one edge after the other gives. -#}
{% macro decide_edges(members, edges, settings) %}
    {%- set counts = counts_of_starts(members, settings) -%}
    {%- set merged = create_work_table('merged',
        'select start_id as node_id, start_id as cluster_id from ' ~ members
        ~ ' where 1 = 0'
    ) -%}
    {%- set moved -%}
        (
            select
                edges.edge_no,
                at_left.start_id as left_id,
                at_right.start_id as right_id,
                1 as is_moved
            from {{ edges }} as edges
            inner join {{ members }} as at_left on edges.left_id = at_left.node_id
            inner join {{ members }} as at_right on edges.right_id = at_right.node_id
        )
    {%- endset -%}
    {%- set state = namespace(
        open=create_work_table('open_0', edges_within_limits(moved, counts)),
        left=0, rounds=0, at_once=1,
    ) -%}
    {%- set state.left = count_rows(state.open) -%}
    {#- The more rounds were needed so far, the more at once: the question whether any
        edge is left is not free, nor is a round on nothing. -#}
    {%- for batch in range(settings.maximum_rounds)
        if state.left and state.rounds < settings.maximum_rounds -%}
        {%- set statements = [] -%}
        {%- for round in range(state.at_once) -%}
            {%- do statements.extend(round_of_edges(state.rounds + round)) -%}
        {%- endfor -%}
        {%- do run_statements(statements) -%}
        {%- set state.rounds = state.rounds + state.at_once -%}
        {%- set state.at_once = [
            [state.rounds // 4, 1] | max, 16, settings.maximum_rounds - state.rounds
        ] | min -%}
        {%- set state.left = count_rows(work_table('open_' ~ state.rounds % 2)) -%}
    {%- endfor -%}
    {{- return(decided_nodes(members, merged, state)) -}}
{% endmacro %}


{#- The statements of one round. Tables have two names in turn: none can be replaced
    while it is read. -#}
{% macro round_of_edges(round) %}
    {%- set open = work_table('open_' ~ round % 2) -%}
    {%- set counts = work_table('counts_' ~ round % 2) -%}
    {%- set next_counts = work_table('counts_' ~ (round + 1) % 2) -%}
    {%- set moved -%}
        (
            select
                edges.edge_no,
                coalesce(at_left.tree_id, edges.left_id) as left_id,
                coalesce(at_right.tree_id, edges.right_id) as right_id,
                case
                    when at_left.tree_id is null and at_right.tree_id is null then 0
                    else 1
                end as is_moved
            from {{ open }} as edges
            left join {{ work_table('taken') }} as at_left
                on edges.left_id = at_left.node_id
            left join {{ work_table('taken') }} as at_right
                on edges.right_id = at_right.node_id
        )
    {%- endset -%}
    {{- return(
        create_work_table_statements('taken', taken_hooks_within_limits(open, counts))
        + [
            'insert into ' ~ work_table('merged') ~ ' select node_id, tree_id from '
            ~ work_table('taken') ~ ' where node_id <> tree_id'
        ]
        + create_work_table_statements(
            'counts_' ~ (round + 1) % 2, counts_after_hooks(open, counts)
        )
        + create_work_table_statements(
            'open_' ~ (round + 1) % 2, edges_within_limits(moved, next_counts)
        )
    ) -}}
{% endmacro %}


{% macro decided_nodes(members, merged, state) %}
    {%- set pointers = follow_to_end(merged, 'merged') -%}
    {%- set placed = create_work_table('placed',
        'select members.node_id, '
        ~ 'coalesce(pointers.cluster_id, members.start_id) as place_id from ' ~ members
        ~ ' as members left join ' ~ pointers ~ ' as pointers '
        ~ 'on members.start_id = pointers.node_id'
    ) -%}
    {%- set smallest = create_work_table('smallest',
        'select place_id, min(node_id) as cluster_id from ' ~ placed
        ~ ' group by place_id'
    ) -%}
    {%- set undecided -%}
        select
            least(at_left.cluster_id, at_right.cluster_id) as left_id,
            greatest(at_left.cluster_id, at_right.cluster_id) as right_id
        from {{ work_table('open_' ~ state.rounds % 2) }} as edges
        inner join {{ smallest }} as at_left on edges.left_id = at_left.place_id
        inner join {{ smallest }} as at_right on edges.right_id = at_right.place_id
    {%- endset -%}
    {{- return({
        'nodes': create_work_table('decided',
            'select placed.node_id, smallest.cluster_id from ' ~ placed
            ~ ' as placed inner join ' ~ smallest ~ ' as smallest '
            ~ 'on placed.place_id = smallest.place_id'
        ),
        'undecided': create_work_table('undecided', undecided),
        'undecided_count': state.left,
    }) -}}
{% endmacro %}
