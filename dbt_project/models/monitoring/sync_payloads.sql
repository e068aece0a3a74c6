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
    cast(null as {{ dbt.type_string() }}) as fate,
    cast(null as bigint) as row_count
where 1 = 0
