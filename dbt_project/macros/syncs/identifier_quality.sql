{#-
    The statement by which a sync notes how good its e-mail addresses and phone numbers
    are, in `sync_identifier_quality`; nothing where it has no such column. A destination
    finds nobody by a value that is none.
-#}
{%- macro note_identifier_quality(payload, columns, notes) -%}
    {%- set selects = [] -%}
    {%- for column in columns if identifier_type_of_column(column) -%}
        {%- do selects.append(quality_of_column(payload, column)) -%}
    {%- endfor -%}
    {%- if selects -%}
        {%- set statement = changed_quality(selects | join(' union all '), notes) -%}
        {{- return(
            'insert into ' ~ notes ~ ' (sync, ' ~ adapter.quote('at')
            ~ ', column_name, identifier_type, row_count, filled_count, valid_count, '
            ~ 'distinct_count) ' ~ statement
        ) -}}
    {%- endif -%}
    {{- return('') -}}
{%- endmacro -%}


{#- What a column of a payload holds by its name: email, phone, or none of them. -#}
{%- macro identifier_type_of_column(column) -%}
    {%- set name = column | lower -%}
    {%- if modules.re.search('(^|_)e?mail(_?address)?$', name) -%}
        {{- return('email') -}}
    {%- elif modules.re.search('(^|_)(tele)?(phone|mobile)(_?number)?$', name) -%}
        {{- return('phone') -}}
    {%- endif -%}
    {{- return(none) -}}
{%- endmacro -%}


{#- One row that counts: rows, those with a value, those whose value looks right, and
    how many different ones these are in the one way to write them. -#}
{%- macro quality_of_column(payload, column) -%}
    {%- set type = identifier_type_of_column(column) -%}
    {%- set text = 'trim(cast(' ~ adapter.quote(column) ~ ' as ' ~ dbt.type_string() ~ '))' -%}
    {%- if type == 'email' -%}
        {%- set written = 'lower(' ~ text ~ ')' -%}
        {%- set pattern = '^[^@\\s]+@[^@\\s.]+(\\.[^@\\s.]+)+$' -%}
    {%- else -%}
        {%- set written = 'translate(' ~ text ~ ", ' -()./', '')" -%}
        {%- set pattern = '^\\+[1-9][0-9]{6,14}$' -%}
    {%- endif -%}
    {%- set is_valid = matches_pattern(written, pattern) -%}
    {{- return(
        'select ' ~ string_literal(column) ~ ' as column_name, ' ~ string_literal(type)
        ~ ' as identifier_type, count(*) as row_count, count(nullif(' ~ text
        ~ ", '')) as filled_count, count(case when " ~ is_valid
        ~ ' then 1 end) as valid_count, count(distinct case when ' ~ is_valid ~ ' then '
        ~ written ~ ' end) as distinct_count from ' ~ payload
    ) -}}
{%- endmacro -%}


{#- The measured rows, if they are not those that were noted last. -#}
{%- macro changed_quality(measured, notes) -%}
    {%- set counts = ['row_count', 'filled_count', 'valid_count', 'distinct_count'] -%}
    {%- set equal = ['measured.column_name = told.column_name'] -%}
    {%- for count in counts -%}
        {%- do equal.append('measured.' ~ count ~ ' = told.' ~ count) -%}
    {%- endfor -%}
    with

    measured as (

        {{ measured }}

    ),

    told as (

        select
            column_name,
            {{ counts | join(', ') }}
        from {{ notes }}
        where
            sync = {{ string_literal(this.identifier) }}
            and {{ adapter.quote('at') }} = (
                select max(latest.at)
                from {{ notes }} as latest
                where latest.sync = {{ string_literal(this.identifier) }}
            )

    ),

    differences as (

        select count(*) as difference_count
        from measured
        full outer join told on {{ equal | join(' and ') }}
        where measured.column_name is null or told.column_name is null

    )

    select
        {{ string_literal(this.identifier) }} as sync,
        {{ build_started_at() }} as at,
        measured.column_name,
        measured.identifier_type,
        measured.{{ counts | join(', measured.') }}
    from measured
    cross join differences
    where differences.difference_count > 0
{%- endmacro -%}
