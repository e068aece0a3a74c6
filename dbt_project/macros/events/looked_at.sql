{#- How tables that follow from events and the plan alone look at each event once.

    Such a table is incremental, reads renamed_events, and has the columns `batch_id` (the
    build that stored the event) and `plan_version`. A build looks at what came with a greater
    batch than the table holds, or at everything and begins the table anew: when the plan
    is another one, and when stg_events was itself made anew since. -#}

{#- Changes whenever the plan does, and what is done about violations. Every event model
    asks for it and it takes a look at all of them, so it is found once in a run, and kept
    in `graph`, which dbt makes for each run. -#}
{% macro plan_version() %}
    {%- if 'plan_version' in graph -%}
        {{- return(graph['plan_version']) -}}
    {%- endif -%}
    {%- set said = [
        plan_rules(planned_events(), common_rules()), var('enforcement', {})
    ] -%}
    {%- set version = local_md5(said | string)[:12] -%}
    {%- if execute -%}
        {%- do graph.update({'plan_version': version}) -%}
    {%- endif -%}
    {{- return(version) -}}
{% endmacro %}


{#- The greatest batch that this table was made from; 0 where it is to begin anew. -#}
{% macro looked_at_up_to() %}
    {%- if not execute or not is_incremental() -%}
        {{- return(0) -}}
    {%- endif -%}
    {#- Not through renamed_events, which would read every event to tell. -#}
    {%- set node = graph.nodes[model.unique_id.rsplit('.', 1)[0] ~ '.stg_events'] -%}
    {%- set stored_events = api.Relation.create(
        database=node.database, schema=node.schema, identifier=node.alias
    ) -%}
    {{- return(single_value(
        "select case when known.least_version = '" ~ plan_version() ~ "' and "
        ~ "known.greatest_version = '" ~ plan_version() ~ "' and "
        ~ 'stored.oldest <= known.newest then known.newest else 0 end as newest '
        ~ 'from (select max(batch_id) as newest, min(plan_version) as least_version, '
        ~ 'max(plan_version) as greatest_version from ' ~ this ~ ') as known '
        ~ 'cross join (select min(batch_id) as oldest from ' ~ stored_events
        ~ ') as stored'
    )) -}}
{% endmacro %}


{#- The condition on events that a build has to look at them; a number and no subquery,
    so that an engine reads no others. -#}
{% macro is_not_looked_at() %}
    {{- return('batch_id > ' ~ looked_at_up_to()) -}}
{% endmacro %}


{#- A pre-hook of such a table: nothing stays of one that begins anew. -#}
{% macro begin_anew_where_needed() %}
    {%- if execute and is_incremental() and looked_at_up_to() == 0 -%}
        {{- return(deletion_of_rows(this, '1 = 1')) -}}
    {%- endif -%}
{% endmacro %}
