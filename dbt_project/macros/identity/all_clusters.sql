{#- A select of all rows of the table, from all edges. -#}
{% macro rows_of_all_clusters(former, settings) %}
    {%- set connected = contract_edges(all_links(settings)) -%}
    {%- set stamp = stamp_of_rows(batch_of_all_rows(former, settings), settings) -%}
    {%- set simple = 'select node_id, cluster_id, false as is_contested, '
        ~ 'false as is_undecided, ' ~ stamp ~ ' from ' ~ connected -%}
    {%- set broken = groups_over_limits(
        'broken',
        '(select node_id, cluster_id as group_id from ' ~ connected ~ ')',
        settings
    ) -%}
    {%- if count_rows(broken) == 0 -%}
        {{- return(simple) -}}
    {%- endif -%}

    {%- set members = create_work_table('members',
        members_from_the_start(connected, broken, settings)
    ) -%}
    {%- set edges = create_work_table('broken_edges',
        numbered_edges(edges_between(members, settings), settings)
    ) -%}
    {%- set decided = decide_edges(members, edges, settings) -%}
    {%- do warn_of_undecided(decided, settings) -%}
    {%- set flags = create_work_table('flags',
        flags_of_nodes(edges, decided.nodes, decided.undecided)
    ) -%}
    {%- set taken_apart -%}
        select
            nodes.node_id,
            nodes.cluster_id,
            flags.node_id is not null as is_contested,
            coalesce(flags.is_undecided, 0) = 1 as is_undecided,
            {{ stamp }}
        from {{ decided.nodes }} as nodes
        left join {{ flags }} as flags on nodes.node_id = flags.node_id
    {%- endset -%}
    {{- return(
        simple ~ ' where cluster_id not in (select group_id from ' ~ broken
        ~ ') union all ' ~ taken_apart
    ) -}}
{% endmacro %}


{#- All edges and joins (left_id, right_id). -#}
{% macro all_links(settings) %}
    {%- set links = settings.edges ~ ' as edges' -%}
    {%- if settings.units -%}
        {%- set links -%}
            (
                select left_id, right_id from {{ settings.edges }} as edges
                union all
                select left_id, right_id from {{ settings.joins }} as joins
                where left_id <> right_id
            ) as links
        {%- endset -%}
    {%- endif -%}
    {{- return(links) -}}
{% endmacro %}


{#- The batch of a build that makes all rows: greater than all that were there. -#}
{% macro batch_of_all_rows(former, settings) %}
    {{- return([
        newest_batch(settings, 0), former.batch_id + 1 if former.batch_id else 0
    ] | max) -}}
{% endmacro %}


{#- The last two columns of rows that this build makes. -#}
{% macro stamp_of_rows(batch_id, settings) %}
    {{- return(
        'cast(' ~ batch_id ~ ' as bigint) as batch_id, '
        ~ 'cast(' ~ settings.rules_version ~ ' as bigint) as rules_version'
    ) -}}
{% endmacro %}


{#- The greatest batch of the edges and limits after `batch_id`; else `batch_id`. -#}
{% macro newest_batch(settings, batch_id) %}
    {%- set queries = ['select cast(' ~ batch_id ~ ' as bigint) as batch_id'] -%}
    {%- if settings.has_batches -%}
        {%- do queries.append(
            'select max(batch_id) as batch_id from ' ~ settings.edges ~ ' as edges '
            ~ 'where batch_id > ' ~ batch_id
        ) -%}
        {%- if settings.limits -%}
            {%- do queries.append(
                'select max(batch_id) as batch_id from ' ~ settings.limits
                ~ ' where batch_id > ' ~ batch_id
            ) -%}
        {%- endif -%}
    {%- endif -%}
    {{- return(single_value(
        'select max(batch_id) as batch_id from (' ~ queries | join(' union all ')
        ~ ') as batches'
    )) -}}
{% endmacro %}


{#- The nodes of broken groups, each a unit of its own: (node_id, start_id). `nodes`
    gives node_id and cluster_id. -#}
{% macro members_from_the_start(nodes, broken, settings) %}
    {%- set sql -%}
        select
            members.node_id,
            {{ 'coalesce(units.unit_id, members.node_id)'
                if settings.units else 'members.node_id' }} as start_id
        from {{ nodes }} as members
        {{ joined_units(settings) }}
        where members.cluster_id in (select group_id from {{ broken }})
    {%- endset -%}
    {{- return(sql) -}}
{% endmacro %}


{#- The edges with both ends among `members`. -#}
{% macro edges_between(members, settings) %}
    {%- set sql -%}
        select {{ prefixed(['left_id', 'right_id'] + settings.order[:-2], 'edges') }}
        from {{ settings.edges }} as edges
        inner join {{ members }} as at_left on edges.left_id = at_left.node_id
        inner join {{ members }} as at_right on edges.right_id = at_right.node_id
        where edges.left_id <> edges.right_id
    {%- endset -%}
    {{- return(sql) -}}
{% endmacro %}


{#- Of a select of edges (edge_no, left_id, right_id), edge_no being their order. -#}
{% macro numbered_edges(edges, settings) %}
    {{- return(
        'select row_number() over (order by '
        ~ settings.order | join(', ') ~ ') as edge_no, left_id, right_id from ('
        ~ edges ~ ') as edges'
    ) -}}
{% endmacro %}


{% macro prefixed(columns, table) %}
    {%- set names = [] -%}
    {%- for column in columns -%}
        {%- do names.append(table ~ '.' ~ column) -%}
    {%- endfor -%}
    {{- return(names | join(', ')) -}}
{% endmacro %}


{#- The ends of edges that were dropped or are undecided (node_id, is_undecided: 0 or
    1). `nodes` (node_id, cluster_id) holds both ends of every edge. -#}
{% macro flags_of_nodes(edges, nodes, undecided) %}
    {%- set sql -%}
        select node_id, max(is_undecided) as is_undecided
        from (
            select left_id as node_id, is_undecided from crossing
            union all
            select right_id as node_id, is_undecided from crossing
        ) as ends
        group by node_id
    {%- endset -%}
    {%- set crossing -%}
        with crossing as (
            select
                edges.left_id,
                edges.right_id,
                case when undecided.left_id is null then 0 else 1 end as is_undecided
            from {{ edges }} as edges
            inner join {{ nodes }} as at_left on edges.left_id = at_left.node_id
            inner join {{ nodes }} as at_right on edges.right_id = at_right.node_id
            left join {{ undecided }} as undecided
                on
                    least(at_left.cluster_id, at_right.cluster_id) = undecided.left_id
                    and greatest(at_left.cluster_id, at_right.cluster_id)
                    = undecided.right_id
            where at_left.cluster_id <> at_right.cluster_id
        )
    {%- endset -%}
    {{- return(crossing ~ ' ' ~ sql) -}}
{% endmacro %}


{% macro warn_of_undecided(decided, settings) %}
    {%- if decided.undecided_count -%}
        {%- do exceptions.warn(
            this ~ ': ' ~ decided.undecided_count ~ ' contested edges are undecided '
            ~ 'after ' ~ settings.maximum_rounds ~ ' rounds. Their nodes stay apart '
            ~ 'until the next build goes on. Find the node that links so many, or set '
            ~ 'maximum_rounds higher.'
        ) -%}
    {%- endif -%}
{% endmacro %}
