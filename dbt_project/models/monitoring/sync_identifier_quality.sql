{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        full_refresh=false,
    )
}}

-- dbt only makes this table; each sync appends its own counts when it is built.
select
    cast(null as {{ dbt.type_string() }}) as sync,
    cast(null as {{ timestamp_type() }}) as at,
    cast(null as {{ dbt.type_string() }}) as column_name,
    cast(null as {{ dbt.type_string() }}) as identifier_type,
    cast(null as bigint) as row_count,
    cast(null as bigint) as filled_count,
    cast(null as bigint) as valid_count,
    cast(null as bigint) as distinct_count
where 1 = 0
