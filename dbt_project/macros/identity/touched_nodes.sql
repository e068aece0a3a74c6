{#- What a table that follows from the clusters has to look at in a build.

    Its rows carry the greatest batch of the tables that they were made from. What came
    with a greater one is new, and then the rows of all identifiers of the clusters that
    it touched are made anew, and no others. -#}

{#- The greatest batch that this table was made from; none when all of it is to be made
    anew. That is so as well when nothing is left of what it was made from: after a
    change of the rules there may be identifiers that are in no cluster any more. -#}
{% macro built_up_to() %}
    {%- if not execute or should_full_refresh() -%}
        {{- return(none) -}}
    {%- endif -%}
    {%- set built = load_cached_relation(this) -%}
    {%- if built is none or built.type != 'table' -%}
        {{- return(none) -}}
    {%- endif -%}
    {%- set newest, oldest = run_query(
        'select coalesce(max(batch_id), -1) as newest, greatest('
        ~ oldest_batch(ref('int_identifiers')) ~ ', '
        ~ oldest_batch(ref('int_identity_clusters')) ~ ') as oldest from ' ~ this
    ).rows[0].values() -%}
    {{- return(newest | int if oldest <= newest else none) -}}
{% endmacro %}


{#- A subselect; an empty table is as one in which all is new. -#}
{% macro oldest_batch(relation) %}
    {{- return(
        '(select coalesce(min(batch_id), 9223372036854775807) from ' ~ relation ~ ')'
    ) -}}
{% endmacro %}


{#- The batch that rows made in this build carry. -#}
{% macro batch_of_build() %}
    {{- return(
        'greatest((select coalesce(max(batch_id), 0) from '
        ~ ref('int_identity_clusters') ~ '), '
        ~ '(select coalesce(max(batch_id), 0) from ' ~ ref('int_identifiers') ~ '))'
    ) -}}
{% endmacro %}


{#- A pre-hook: the work table `touched` (node_id, cluster_id) of the identifiers whose
    rows are made anew. One that no edge touches is a cluster of its own. -#}
{% macro find_touched_nodes() %}
    {%- if execute -%}
        {%- do create_work_table('touched', touched_nodes(built_up_to())) -%}
    {%- endif -%}
{% endmacro %}


{% macro touched_nodes(newest) %}
    {%- set clusters = ref('int_identity_clusters') -%}
    {%- set identifiers = ref('int_identifiers') -%}
    {%- if newest is none -%}
        {{- return(
            'select node_id, cluster_id from ' ~ clusters ~ ' union all ' ~ alone_nodes()
        ) -}}
    {%- endif -%}
    {{- return(
        'select node_id, cluster_id from ' ~ clusters ~ ' where cluster_id in ('
        ~ 'select cluster_id from ' ~ clusters ~ ' where batch_id > ' ~ newest
        ~ ' union select clusters.cluster_id from ' ~ clusters ~ ' as clusters '
        ~ 'inner join ' ~ identifiers ~ ' as identifiers '
        ~ 'on clusters.node_id = identifiers.identifier_id '
        ~ 'where identifiers.age_batch_id > ' ~ newest ~ ') union all '
        ~ alone_nodes() ~ ' and identifiers.age_batch_id > ' ~ newest
    ) -}}
{% endmacro %}


{% macro alone_nodes() %}
    {{- return(
        'select identifiers.identifier_id as node_id, '
        ~ 'identifiers.identifier_id as cluster_id from ' ~ ref('int_identifiers')
        ~ ' as identifiers left join ' ~ ref('int_identity_clusters') ~ ' as clusters '
        ~ 'on identifiers.identifier_id = clusters.node_id '
        ~ 'where clusters.node_id is null'
    ) -}}
{% endmacro %}


{#- The incremental strategy `touched_nodes`: the rows of touched identifiers go, what the
    model selects takes their place. `unique_key` names the columns that hold an
    identifier; a row goes when one of them is touched. -#}
{% macro get_incremental_touched_nodes_sql(arguments) %}
    {%- set target = arguments['target_relation'] -%}
    {%- set keys = arguments['unique_key'] -%}
    {%- set columns = arguments['dest_columns'] | map(attribute='name') | list -%}
    {{ delete_of_rows(target, touched_rows([keys] if keys is string else keys)) }};
    {{ insert_of_rows(target, arguments['temp_relation'], columns) }}
{% endmacro %}


{#- Which rows of the model's table go, as replace_rows takes it: those with a touched
    identifier in one of the columns, or all. -#}
{% macro touched_rows(node_columns) %}
    {%- if built_up_to() is none -%}
        {{- return([{'columns': node_columns, 'keys': node_columns, 'of': this}]) -}}
    {%- endif -%}
    {%- set going = [] -%}
    {%- for column in node_columns -%}
        {%- do going.append({
            'columns': [column], 'keys': ['node_id'], 'of': work_table('touched')
        }) -%}
    {%- endfor -%}
    {{- return(going) -}}
{% endmacro %}
