{#-
    A table with one row per `profile_id`, each of which follows from the events and
    identifiers of that profile and nothing else. Compiled traits and conditions are such
    tables.

    A build runs the model's select over the events of the profiles that may have another
    row now, and puts the rows of these in place of the old ones: profiles with new events,
    those that identifiers came to or left, and those for whose events the edge of a window
    has passed since. See macros/traits/followed_profiles.sql.

    The whole table is made anew whenever that cannot be known: when anything that it is
    made from has another definition, something was released from quarantine or deleted,
    by `--full-refresh`, when a build leaves out what the model is made from, when a third
    of the profiles are touched. So it is in each build if the model reads anything but
    events, profile_identifiers and tables of this kind, or uses the time of the build in
    any way but those that `edges_of_windows` knows (as calendar windows do).
-#}
{% materialization by_profile, default %}
    {{ run_hooks(pre_hooks) }}

    {%- set state = state_of_profiles() -%}
    {%- set noted = noted_of_profiles() -%}
    {%- set former = followed_profiles(state, noted) -%}
    {%- set target = this.incorporate(type='table') -%}
    {%- set touched = none -%}
    {%- if former is not none -%}
        {%- set touched = create_work_table('touched', touched_profiles(former)) -%}
    {%- endif -%}
    {% if touched is none or is_worth_all(touched, target) %}
        {% set target = replace_table(sql) %}
    {% else %}
        {% set rows = create_work_table('rows', select_of_profiles(touched)) %}
        {% set columns = adapter.get_columns_in_relation(target) | map(attribute='name') | list %}
        {% do replace_part(
            target,
            [{'columns': ['profile_id'], 'keys': ['profile_id'], 'of': touched}],
            rows,
            columns,
        ) %}
    {% endif %}
    {% do note_followed_profiles(state, noted) %}
    {% if touched is not none %}
        {% do drop_work_tables() %}
    {% endif %}

    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {{ return({'relations': [target]}) }}
{% endmaterialization %}


{#- Whether so many profiles are touched that all rows are made sooner. -#}
{% macro is_worth_all(touched, target) %}
    {{- return(count_rows(touched) * 3 > count_rows(target)) -}}
{% endmacro %}


{#- The model's select over the rows of some profiles. -#}
{% macro select_of_profiles(touched) %}
    {%- set re = modules.re -%}
    {%- set texts = [sql] -%}
    {%- for parent in inputs_by_profile(model) -%}
        {%- set relation = ref(parent.name) | string -%}
        {%- set restricted = '(select * from ' ~ relation
            ~ ' where profile_id in (select profile_id from ' ~ touched ~ '))' -%}
        {%- do texts.append(re.sub(
            re.escape(relation) ~ '(?![a-zA-Z0-9_])', restricted, texts[-1]
        )) -%}
    {%- endfor -%}
    {{- return(texts[-1]) -}}
{% endmacro %}
