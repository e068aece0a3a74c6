{#-
    The rows of a raw dataset, as something to select from.

        select * from {{ read_raw(source('raw', 'events')) }}

    A dataset is a directory of Parquet files named like the source table. When it holds
    no file yet (a fresh clone, before the collector ran), the result is an empty
    relation with the columns that the source's yml declares, so every model builds. On
    object storage that is an error instead: a mistyped bucket holds no file either.
    In a dbt unit test the source is the test's own rows, which pass through. On Spark the
    files must be there: `./kith build` sees to that.
-#}
{%- macro read_raw(relation) -%}
    {%- if relation.is_cte or not execute -%}
        {{ relation }}
    {%- else -%}
        {{ adapter.dispatch('read_raw')(relation) }}
    {%- endif -%}
{%- endmacro -%}


{%- macro duckdb__read_raw(relation) -%}
    {%- set files = raw_directory(relation.identifier) ~ '/**/*.parquet' -%}
    {%- set found = run_query("select count(*) from glob('" ~ files ~ "')") -%}
    {%- set is_empty = found.columns[0].values()[0] == 0 -%}
    {%- if is_empty and '://' in files -%}
        {{
            exceptions.raise_compiler_error(
                files ~ ' names no file. Mend KITH_RAW_URL; where nothing was landed '
                ~ 'yet, `./kith build` puts there what every dataset needs.'
            )
        }}
    {%- elif is_empty -%}
        {{ empty_source(relation.identifier) }}
    {%- else -%}
        read_parquet(
            '{{ files }}',
            hive_partitioning = true,
            hive_types = {'dt': date},
            union_by_name = true
        )
    {%- endif -%}
{%- endmacro -%}


{#- A view of this session, with the columns that the yml declares: a file of an older
    version may lack some, and Spark would take the columns of any one file for all. -#}
{%- macro spark__read_raw(relation) -%}
    {%- set view = 'raw_' ~ relation.identifier -%}
    {%- set columns = [] -%}
    {%- for column in raw_source(relation.identifier).columns.values() -%}
        {%- do columns.append(
            adapter.quote(column.name) ~ ' ' ~ type_name(column.data_type)
        ) -%}
    {%- endfor -%}
    {%- set directory = raw_directory(relation.identifier).replace('s3://', 's3a://') -%}
    {%- do run_statements([
        'create or replace temporary view ' ~ view ~ ' (' ~ columns | join(', ')
        ~ ") using parquet options (path '" ~ directory ~ "')"
    ]) -%}
    {{ view }}
{%- endmacro -%}


{#- Where the files of a raw dataset lie, ready to stand between single quotes. -#}
{%- macro raw_directory(dataset) -%}
    {%- set url = env_var('KITH_RAW_URL', '') -%}
    {%- set place = url or env_var('KITH_DATA_DIR', '../data') ~ '/raw' -%}
    {%- set place = place.split('?')[0].removeprefix('file://').rstrip('/') -%}
    {{ (place ~ '/' ~ dataset) | replace("'", "''") }}
{%- endmacro -%}


{#- A raw source without rows: the columns and types that its yml declares. -#}
{%- macro empty_source(dataset) -%}
    (
        select
            {%- for column in raw_source(dataset).columns.values() %}
            cast(null as {{ type_name(column.data_type) }}) as {{ adapter.quote(column.name) }}
            {{- ',' if not loop.last }}
            {%- endfor %}
        where 1 = 0
    )
{%- endmacro -%}


{#- A raw dataset as its yml describes it. -#}
{%- macro raw_source(dataset) -%}
    {{
        return(
            graph.sources.values()
            | selectattr('source_name', 'equalto', 'raw')
            | selectattr('name', 'equalto', dataset)
            | first
        )
    }}
{%- endmacro -%}
