{#-
    An audience: a model that selects `profile_id`, and nothing else, becomes a table of
    its members and when they entered.

    What is kept is the log `audience_changes`: who entered and who exited, and when. A
    build holds the members by the select against the log, once; from what it finds it
    appends the difference to the log, and makes the table. So the history outlives
    `--full-refresh`, and a build that stops between the two steps is mended by the next.
    Nulls and repeated profiles in the select do not count.

    An input may be too old to go by (its yml says `config.meta.freshness`). Then the
    audience is held: nobody enters, and nobody exits but whose profile has another name
    by now, and enters under that. The build warns of it.

    Where the split of an audience has strata, members who are new to it are placed, in
    the log `audience_placements`.

    Every audience depends on these logs through the folder's pre-hook in dbt_project.yml,
    because dbt finds a `ref` in a hook but not in a materialization.
-#}
{% materialization audience, default %}
    {%- set changes = ref('audience_changes') -%}
    {%- set merges = ref('profile_merges') -%}

    {{ run_hooks(pre_hooks) }}

    {%- set select_members = members_as_they_were(changes) if is_audience_held() else sql -%}

    {%- set compared = create_work_table(
        'compared', members_and_log(select_members, changes)
    ) -%}
    {% call statement('append_changes') -%}
        insert into {{ changes }} (
            audience, profile_id, change, {{ adapter.quote('at') }}, reason
        )
        {{ audience_difference(compared, merges) }}
    {%- endcall %}

    {% if strata_of_audience(model) %}
        {%- set placements = ref('audience_placements') -%}
        {% call statement('append_placements') -%}
            insert into {{ placements }} (
                audience, salt, profile_id, stratum, turn, placed_at
            )
            {{ new_placements(compared, placements) }}
        {%- endcall %}
    {% endif %}

    {% set target_relation = replace_table(compared_members(compared)) %}
    {% do drop_work_table(compared) %}

    {{ run_hooks(post_hooks) }}
    {% do adapter.commit() %}
    {{ return({'relations': [target_relation]}) }}
{% endmaterialization %}


{#- The audience's members by the log: their latest change is that they entered. -#}
{%- macro audience_members(changes) -%}
    select
        changes.profile_id,
        max(changes.at) as entered_at
    from {{ changes }} as changes
    where changes.audience = {{ string_literal(this.identifier) }}
    group by changes.profile_id
    having {{ is_audience_member() }}
{%- endmacro -%}


{#- Whether the latest of a profile's changes (grouped) is that it entered. -#}
{%- macro is_audience_member() -%}
    max(case when changes.change = 'entered' then changes.at end)
    > coalesce(
        max(case when changes.change = 'exited' then changes.at end),
        cast('0001-01-01' as {{ timestamp_type() }})
    )
{%- endmacro -%}


{#- Who is in by the select, and what the log says of them and of all others that it
    knows: one row per profile. -#}
{%- macro members_and_log(select_members, changes) -%}
    select
        changes.profile_id,
        count(*) > count(changes.change) as is_selected,
        count(changes.change) > 0 as is_known,
        coalesce({{ is_audience_member() }}, false) as is_logged,
        max(changes.at) as changed_at
    from (
        select
            profile_id,
            cast(null as {{ dbt.type_string() }}) as change,
            cast(null as {{ timestamp_type() }}) as at
        from (
            {{ select_members }}
        ) as selected
        where profile_id is not null

        union all

        select
            logged.profile_id,
            logged.change,
            logged.at
        from {{ changes }} as logged
        where logged.audience = {{ string_literal(this.identifier) }}
    ) as changes
    group by changes.profile_id
{%- endmacro -%}


{#- Who is in from now on, and since when. -#}
{%- macro compared_members(compared) -%}
    select
        profile_id,
        case when is_logged then changed_at else {{ build_started_at() }} end as entered_at
    from {{ compared }}
    where is_selected
{%- endmacro -%}


{#- The changes that make the log's members equal to the select's. -#}
{%- macro audience_difference(compared, merges) -%}
    with

    merged as (

        select
            losing_profile_id,
            min(profile_id) as profile_id
        from {{ merges }}
        group by losing_profile_id

    )

    select
        {{ string_literal(this.identifier) }} as audience,
        compared.profile_id,
        case when compared.is_selected then 'entered' else 'exited' end as change,
        {{ build_started_at() }} as at,
        case
            when compared.is_selected and compared.is_known then 're-entered'
            when compared.is_selected then 'first time'
            when merged.profile_id is null then 'no longer matches'
            else concat('profile merged into ', merged.profile_id)
        end as reason
    from {{ compared }} as compared
    left join merged on compared.profile_id = merged.losing_profile_id
    where compared.is_selected <> compared.is_logged
{%- endmacro -%}
