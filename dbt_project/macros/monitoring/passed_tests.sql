{#- How tests of tables that only grow look at each row once.

    `int_passed_tests` notes at the end of each run which tests passed. Until a test passes
    again, it looks at all rows that builds wrote since then, with the older ones of the
    same keys: what made it fail once is found again. A test of which nothing is known
    looks at all rows. -#}

{#- The build up to which this test has found the rows of its table right, as their
    batch_id; -1 where that is not known. A build before which the clock was set back
    knows nothing. -#}
{% macro passed_up_to() %}
    {%- do config(tags=['noted_when_passed']) -%}
    {%- set passed_tests = passed_tests() if execute -%}
    {%- if not passed_tests -%}
        {{- return(-1) -}}
    {%- endif -%}
    {{- return(single_value(
        'select case when max(batch_id) < ' ~ build_started_microseconds()
        ~ ' then max(batch_id) else -1 end as batch_id from ' ~ passed_tests
        ~ ' where test = ' ~ string_literal(model.unique_id)
    )) -}}
{% endmacro %}


{#- The table of passed tests; none while there is none. Not by a ref: a failed test stops
    the models below its table only if it reads nothing else. -#}
{% macro passed_tests() %}
    {%- for node in graph.nodes.values() if node.name == 'int_passed_tests' -%}
        {{- return(load_cached_relation(api.Relation.create(
            database=node.database, schema=node.schema, identifier=node.alias
        ))) -}}
    {%- endfor -%}
{% endmacro %}


{#- A hook at the end of a run: notes which tests passed that ask for it. -#}
{% macro note_passed_tests() %}
    {%- set passed_tests = passed_tests() if execute -%}
    {%- set rows = [] -%}
    {%- for result in results or [] if passed_tests -%}
        {%- if result.status == 'pass' and 'noted_when_passed' in result.node.tags -%}
            {%- do rows.append(
                '(' ~ string_literal(result.node.unique_id) | trim ~ ', '
                ~ build_started_microseconds() ~ ')'
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if rows -%}
        insert into {{ passed_tests }} (test, batch_id) values {{ rows | join(', ') }}
    {%- endif -%}
{% endmacro %}
