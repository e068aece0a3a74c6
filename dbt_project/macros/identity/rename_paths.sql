{#- A pre-hook: under which merges the profile of an identifier got other names.

    Makes the work table `paths` with a row per identifier and merge that renamed its
    profile: `node_id`, `place` (1 is the first) and `losing_id`, which tells the merge.
    An identifier takes part in a merge of its own, in the one of the profile that it
    came to, and so on; each step of the walk goes one merge further, for those that
    have one. After `maximum` merges the last of all follows at once. -#}
{% macro make_rename_paths(merges, maximum=100) %}
    {%- if execute -%}
        {%- set steps = create_work_table('steps',
            'select here.losing_id, above.losing_id as next_id from ' ~ merges
            ~ ' as here left join ' ~ merges ~ ' as above '
            ~ 'on here.surviving_id = above.losing_id where here.losing_id in '
            ~ '(select node_id from ' ~ work_table('touched') ~ ')'
        ) -%}
        {%- set state = namespace(walked=[], moving=true) -%}
        {%- for place in range(1, maximum + 1) if state.moving -%}
            {%- do state.walked.append(create_work_table(
                'walked_' ~ place, next_merges(state.walked, steps)
            )) -%}
            {%- set state.moving = count_rows(state.walked[-1]) > 0 -%}
        {%- endfor -%}
        {%- if state.moving -%}
            {%- do state.walked.append(create_work_table(
                'walked_last', last_merges(state.walked[-1], steps)
            )) -%}
        {%- endif -%}
        {%- do create_work_table('paths', numbered_walks(state.walked)) -%}
    {%- endif -%}
{% endmacro %}


{#- The merge that comes after those of the last walk; the first is everybody's own. -#}
{% macro next_merges(walked, steps) %}
    {%- if not walked -%}
        {{- return('select losing_id as node_id, losing_id from ' ~ steps) -}}
    {%- endif -%}
    {{- return(
        'select walked.node_id, steps.next_id as losing_id from ' ~ walked[-1]
        ~ ' as walked inner join ' ~ steps ~ ' as steps '
        ~ 'on walked.losing_id = steps.losing_id where steps.next_id is not null'
    ) -}}
{% endmacro %}


{#- The last merge on the way of those that have more; each round doubles the distance. -#}
{% macro last_merges(walked, steps) %}
    {%- set state = namespace(
        pointers=create_work_table('last_0',
            'select losing_id, coalesce(next_id, losing_id) as last_id from ' ~ steps
        ),
        moving=true
    ) -%}
    {%- for round in range(1, 65) if state.moving -%}
        {%- set followed = create_work_table('last_' ~ round % 2,
            'select here.losing_id, there.last_id, there.last_id <> here.last_id '
            ~ 'as is_moving from ' ~ state.pointers ~ ' as here inner join '
            ~ state.pointers ~ ' as there on here.last_id = there.losing_id'
        ) -%}
        {%- set state.pointers = followed -%}
        {%- set state.moving = single_value(
            'select count(*) from ' ~ followed ~ ' where is_moving'
        ) > 0 -%}
    {%- endfor -%}
    {{- return(
        'select walked.node_id, pointers.last_id as losing_id from ' ~ walked
        ~ ' as walked inner join ' ~ state.pointers ~ ' as pointers '
        ~ 'on walked.losing_id = pointers.losing_id '
        ~ 'where pointers.last_id <> walked.losing_id'
    ) -}}
{% endmacro %}


{% macro numbered_walks(walked) %}
    {%- set selects = [] -%}
    {%- for walk in walked -%}
        {%- do selects.append(
            'select node_id, losing_id, ' ~ loop.index ~ ' as place from ' ~ walk
        ) -%}
    {%- endfor -%}
    {{- return(selects | join(' union all ')) -}}
{% endmacro %}
