{#-
    An event model: a model that selects from `events`, one event at a time, becomes a
    table that grows by what is new.

    A build runs the model's select over the events that were stored since, and gives the
    events of profiles that have changed their profile_id of today; all other rows stay
    as they are. The whole table is made anew where what is here already may be another:
    when the model or the tracking plan has changed, when something was released from
    quarantine, when violations were found in events that it has taken up already (by
    builds of some models), when stg_events or event_profiles were made anew, and by
    `--full-refresh`. So is a model that does not ask each event alone (it joins, groups,
    uses windows, asks for the time) in each build.

    How far a table has come is kept in `int_event_models`. A build that is killed before
    it has noted that takes the same rows up once more.
-#}
{% materialization event, default %}
    {{ run_hooks(pre_hooks) }}

    {%- set state = state_of_events() -%}
    {%- set former = followed_up_to(state) -%}
    {%- set target = this.incorporate(type='table') -%}
    {%- if former is not none -%}
        {%- set columns = adapter.get_columns_in_relation(target)
            | map(attribute='name') | list -%}
    {%- endif -%}
    {% if former is none or 'source_id' not in columns or 'message_id' not in columns %}
        {% set target = replace_table(sql) %}
    {% else %}
        {% set rows = rows_of_changed_events(target, columns, state, former) %}
        {% do replace_part(
            target,
            [{
                'columns': ['source_id', 'message_id'],
                'keys': ['source_id', 'message_id'],
                'of': rows,
            }],
            rows,
            columns,
        ) %}
        {% do drop_work_tables() %}
    {% endif %}
    {% do note_state_of_events(state) %}

    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}


{#- Notes in int_event_models what the table is made from, unless it says so already. -#}
{% macro note_state_of_events(state) %}
    {%- set models = ref('int_event_models') -%}
    {%- set name = string_literal(this.identifier) -%}
    {% call statement('note_state') -%}
        insert into {{ models }} (
            model, step, version, stored_batch_id, profiles_batch_id, violation_count
        )
        select
            {{ name }},
            coalesce(max(step), 0) + 1,
            '{{ state.version }}',
            {{ state.newest or 0 }},
            {{ state.newest_of_profiles }},
            {{ state.violation_count }}
        from {{ models }}
        where model = {{ name }}
        having
            count(
                case
                    when
                        version = '{{ state.version }}'
                        and stored_batch_id = {{ state.newest or 0 }}
                        and profiles_batch_id = {{ state.newest_of_profiles }}
                        and violation_count = {{ state.violation_count }}
                        then 1
                end
            ) = 0
    {%- endcall %}
{% endmacro %}


{#- A work table of the rows that come: those of new events, and those whose profile is
    another one by now. New events got their profile since the table was built last, so
    that they need not bring it. -#}
{% macro rows_of_changed_events(target, columns, state, former) %}
    {%- set fresh = create_work_table('fresh', sql.replace(
        ref('events') | string, new_events(state, former)
    )) -%}
    {%- set same_event -%}
        {0}.source_id = {1}.source_id and {0}.message_id = {1}.message_id
    {%- endset -%}
    {%- set fresh_columns = [] -%}
    {%- set kept_columns = [] -%}
    {%- for column in quoted_names(columns) -%}
        {%- if columns[loop.index0] == 'profile_id' -%}
            {%- do fresh_columns.append(
                'coalesce(moved.profile_id, fresh.profile_id) as profile_id'
            ) -%}
            {%- do kept_columns.append('moved.profile_id') -%}
        {%- else -%}
            {%- do fresh_columns.append('fresh.' ~ column) -%}
            {%- do kept_columns.append('kept.' ~ column) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set moved = '(select source_id, message_id, profile_id from '
        ~ ref('event_profiles') ~ ' where batch_id > ' ~ former.profiles ~ ') as moved' -%}
    {%- set rows = 'select ' ~ fresh_columns | join(', ') ~ ' from ' ~ fresh
        ~ ' as fresh left join ' ~ moved ~ ' on '
        ~ same_event.format('fresh', 'moved') -%}
    {%- if 'profile_id' in columns -%}
        {%- set rows = rows ~ ' union all select ' ~ kept_columns | join(', ') ~ ' from '
            ~ target ~ ' as kept inner join ' ~ moved ~ ' on '
            ~ same_event.format('kept', 'moved') ~ ' left join ' ~ fresh
            ~ ' as fresh on ' ~ same_event.format('kept', 'fresh')
            ~ ' where fresh.message_id is null and '
            ~ "coalesce(kept.profile_id, '') <> moved.profile_id" -%}
    {%- endif -%}
    {{- return(create_work_table('rows', rows)) -}}
{% endmacro %}


{#- The events that were stored since, in place of `events`. -#}
{% macro new_events(state, former) %}
    {%- set is_here = state.newest_of_latest == state.newest
        and former.stored >= (state.previous or 0) -%}
    {{- return(
        '(select * from ' ~ ref('int_latest_events' if is_here else 'events')
        ~ ' where batch_id > ' ~ former.stored ~ ')'
    ) -}}
{% endmacro %}
