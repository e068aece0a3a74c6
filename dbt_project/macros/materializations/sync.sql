{#-
    A sync: a model whose rows are a payload becomes its table, less the rows of whom
    nobody may contact this way: the global control group, the holdouts of the audiences
    that it reads, who is in a higher audience of a priority list, who was contacted
    enough.

    A row tells whose it is by the column `profile_id`, which is sent, or `_profile_id`,
    which is left out of the payload. A sync whose rows are not about people, or must
    reach everybody, says `meta.sync.control_group: ignore`.

    What became of the rows that the model selected is counted in `sync_payloads`, so
    that none is missing without a word, and how good their addresses and numbers are in
    `sync_identifier_quality`.
-#}
{% materialization sync, default %}
    {%- set counts = ref('sync_payloads') -%}
    {{ run_hooks(pre_hooks) }}

    {%- set columns = get_columns_in_query(sql) -%}
    {%- set rules = [] -%}
    {%- if not ignores_sync_rules() -%}
        {%- set profile_column = profile_column_of_sync(columns) -%}
        {%- do rules.extend(rules_of_sync()) -%}
    {%- endif -%}
    {%- set sent = columns | reject('equalto', '_profile_id') | list -%}
    {%- if rules -%}
        {%- set rows = create_work_table(
            'rows', fates_of_rows(sql, profile_column, rules)
        ) -%}
        {%- set payload = "select " ~ quoted_names(sent) | join(', ') ~ " from " ~ rows
            ~ " where kith_fate = 'payload'" -%}
        {%- set fates = 'select kith_fate as fate, count(*) as row_count from ' ~ rows
            ~ ' group by kith_fate' -%}
    {%- else -%}
        {%- set payload = sql -%}
        {%- if sent | length < columns | length -%}
            {%- set payload = 'select ' ~ quoted_names(sent) | join(', ') ~ ' from ('
                ~ sql ~ ') as selected' -%}
        {%- endif -%}
        {%- set fates = "select 'payload' as fate, count(*) as row_count from "
            ~ this.incorporate(type='table') -%}
    {%- endif -%}

    {% set target_relation = replace_table(payload) %}
    {% call statement('count_rows') -%}
        insert into {{ counts }} (
            sync, {{ adapter.quote('at') }}, fate, row_count
        )
        {{ changed_counts(fates, counts) }}
    {%- endcall %}
    {% set quality = note_identifier_quality(
        target_relation, sent, ref('sync_identifier_quality')
    ) %}
    {% if quality %}
        {% call statement('note_quality') -%}
            {{ quality }}
        {%- endcall %}
    {% endif %}
    {% if rules %}
        {% do drop_work_tables() %}
    {% endif %}

    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{%- macro ignores_sync_rules() -%}
    {%- set settings = model.config.get('meta', {}).get('sync') or {} -%}
    {{- return(settings.get('control_group') == 'ignore') -}}
{%- endmacro -%}


{%- macro profile_column_of_sync(columns) -%}
    {%- for name in ['_profile_id', 'profile_id'] if name in columns -%}
        {{- return(name) -}}
    {%- endfor -%}
    {%- do exceptions.raise_compiler_error(
        'The rows do not tell whose they are, so nobody could be left out. Select '
        ~ 'profile_id, or _profile_id to keep it out of the payload; for rows that are '
        ~ 'not about people, or must reach everybody, say meta.sync.control_group: '
        ~ 'ignore.', model
    ) -%}
{%- endmacro -%}


{#- The counts of this build as rows of sync_payloads; none when they are those that the
    table told last. -#}
{%- macro changed_counts(fates, counts) -%}
    with

    fates as (

        {{ fates }}

    ),

    told as (

        select
            fate,
            row_count
        from {{ counts }}
        where
            sync = {{ string_literal(this.identifier) }}
            and {{ adapter.quote('at') }} = (
                select max(latest.at)
                from {{ counts }} as latest
                where latest.sync = {{ string_literal(this.identifier) }}
            )

    ),

    differences as (

        select count(*) as difference_count
        from fates
        full outer join told
            on fates.fate = told.fate and fates.row_count = told.row_count
        where fates.fate is null or told.fate is null

    )

    select
        {{ string_literal(this.identifier) }} as sync,
        {{ build_started_at() }} as at,
        fates.fate,
        fates.row_count
    from fates
    cross join differences
    where differences.difference_count > 0
{%- endmacro -%}
