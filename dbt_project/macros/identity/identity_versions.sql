{#- How identity's tables notice what is new, and that rules have changed. -#}

{#- Changes whenever the rules do by which identifiers are taken. -#}
{% macro identifier_rules_version() %}
    {%- set rules = [identifier_id('type', 'value')] -%}
    {%- for feed in identifier_feeds() -%}
        {%- set places = [] -%}
        {%- for place in feed.places -%}
            {%- do places.append([
                place.identifier.type,
                place.identifier.priority,
                place.value,
                allowed_value(place),
            ]) -%}
        {%- endfor -%}
        {%- do rules.append([
            feed.source_id, feed.message_id, feed.received_at, feed.documents, places
        ]) -%}
    {%- endfor -%}
    {{- return(local_md5(tojson(rules))) -}}
{% endmacro %}


{#- Changes whenever the rules do by which identifiers are joined, but for those that
    people give one by one. -#}
{% macro identity_rules_version() %}
    {%- set rules = [identifier_rules_version(), var('maximum_identifiers')] -%}
    {%- for identifier in identifier_types() -%}
        {%- do rules.append([
            identifier.type, identifier.limit, identifier.limit_window
        ]) -%}
    {%- endfor -%}
    {{- return(local_md5(tojson(rules))) -}}
{% endmacro %}


{#- The number of what this build adds to a table: greater than those of all builds
    before, even where the clock was set back. Goes with a select from the table. -#}
{% macro next_batch_id(batch_id) %}
    {{- return(
        'greatest(' ~ build_started_microseconds() ~ ', 2 + coalesce(max(' ~ batch_id
        ~ '), 0))'
    ) -}}
{% endmacro %}


{% macro build_started_microseconds() %}
    {{- return('cast(' ~ (run_started_at.timestamp() * 1000000) | int ~ ' as bigint)') -}}
{% endmacro %}


{#- The batch of stg_events up to which int_event_identifiers holds all of them, by the
    rules of today; -1 where any may be missing: when the rules have changed, and when
    stg_events was itself made anew since. A number and no subquery, so that an engine
    reads no others. -#}
{% macro stored_batch_taken_up_to() %}
    {%- set feeds = identifier_feeds() | selectattr('has_batches') | list -%}
    {%- if not execute or not is_incremental() or not feeds -%}
        {{- return(-1) -}}
    {%- endif -%}
    {{- return(single_value(
        'select case when stored.oldest <= taken.newest then taken.newest else -1 end '
        ~ 'as newest from (select max(stored_batch_id) as newest from ' ~ this
        ~ " where rules_version = '" ~ identifier_rules_version() ~ "') as taken "
        ~ 'cross join (select min(batch_id) as oldest from ' ~ ref('stg_events')
        ~ ') as stored'
    )) -}}
{% endmacro %}


{#- A post-hook: rows by other rules than today's go when those by today's are there. -#}
{% macro delete_rows_of_other_rules() %}
    {{- return(
        "{% if is_incremental() %}{{ deletion_of_rows(this, "
        ~ "\"rules_version <> '\" ~ identifier_rules_version() ~ \"'\") }}{% endif %}"
    ) -}}
{% endmacro %}


{#- Under which rules the clusters were made, by all that counts; goes with a select from
    int_identity_clusters. -#}
{% macro clusters_version() %}
    {{- return(
        'coalesce(cast(max(rules_version) as ' ~ dbt.type_string() ~ "), 'none')"
    ) -}}
{% endmacro %}


{#- A pre-hook of tables that follow the clusters: when the rules have changed, clusters
    may have fallen apart or gone, so all rows are made anew. -#}
{% macro delete_rows_of_other_clusters() %}
    {{- return(
        "{% if is_incremental() %}{{ deletion_of_rows(this, 'rules_version <> (select ' "
        ~ "~ clusters_version() ~ ' from ' ~ ref('int_identity_clusters') ~ ')') }}"
        ~ "{% endif %}"
    ) -}}
{% endmacro %}
