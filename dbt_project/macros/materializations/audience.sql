{#-
    An audience: a model that selects `profile_id`, and nothing else, becomes a table of
    its members and when they entered.

    What is kept is the log `audience_changes`: who entered and who exited, and when. A
    build appends the difference between the members by the log and the members by the
    select, then makes the table from the log anew. So the history outlives
    `--full-refresh`, and a build that stops between the two steps is mended by the next.
    Nulls and repeated profiles in the select do not count.

    An input may be too old to go by (its yml says `config.meta.freshness`). Then the
    audience is held: nobody enters, and nobody exits but whose profile has another name
    by now, and enters under that. The build warns of it.

    Every audience depends on the log through the folder's pre-hook in dbt_project.yml,
    because dbt finds a `ref` in a hook but not in a materialization.
-#}
{% materialization audience, default %}
    {%- set changes = ref('audience_changes') -%}
    {%- set merges = ref('profile_merges') -%}

    {{ run_hooks(pre_hooks) }}

    {%- set select_members = members_as_they_were(changes) if is_audience_held() else sql -%}

    {% call statement('append_changes') -%}
        insert into {{ changes }} (
            audience, profile_id, change, {{ adapter.quote('at') }}, reason
        )
        {{ audience_difference(select_members, changes, merges) }}
    {%- endcall %}

    {% set target_relation = replace_table(audience_members(changes)) %}

    {{ run_hooks(post_hooks) }}
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


{#- The changes that make the log's members equal to the select's. -#}
{%- macro audience_difference(select_members, changes, merges) -%}
    with

    selected as (

        select distinct profile_id
        from (
            {{ select_members }}
        ) as audience
        where profile_id is not null

    ),

    logged as (

        {{ audience_members(changes) }}

    ),

    former as (

        select distinct changes.profile_id
        from {{ changes }} as changes
        where changes.audience = {{ string_literal(this.identifier) }}

    ),

    merged as (

        select
            losing_profile_id,
            min(profile_id) as profile_id
        from {{ merges }}
        group by losing_profile_id

    )

    select
        {{ string_literal(this.identifier) }} as audience,
        selected.profile_id,
        'entered' as change,
        {{ build_started_at() }} as at,
        case
            when former.profile_id is null then 'first time' else 're-entered'
        end as reason
    from selected
    left join logged on selected.profile_id = logged.profile_id
    left join former on selected.profile_id = former.profile_id
    where logged.profile_id is null

    union all

    select
        {{ string_literal(this.identifier) }} as audience,
        logged.profile_id,
        'exited' as change,
        {{ build_started_at() }} as at,
        case
            when merged.profile_id is null then 'no longer matches'
            else concat('profile merged into ', merged.profile_id)
        end as reason
    from logged
    left join selected on logged.profile_id = selected.profile_id
    left join merged on logged.profile_id = merged.losing_profile_id
    where selected.profile_id is null
{%- endmacro -%}
