{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        full_refresh=false,
        post_hook="{{ deletion_of_rows(this, is_of_former_input()) if execute }}",
    )
}}

-- dbt only makes this table; each audience puts its own rows in when it is built.
select
    cast(null as {{ dbt.type_string() }}) as audience,
    cast(null as {{ dbt.type_string() }}) as input,
    cast(null as {{ timestamp_type() }}) as at,
    cast(null as {{ timestamp_type() }}) as as_of,
    cast(null as {{ dbt.type_string() }}) as warn_after,
    cast(null as {{ dbt.type_string() }}) as hold_after,
    cast(null as {{ dbt.type_string() }}) as state
where 1 = 0
