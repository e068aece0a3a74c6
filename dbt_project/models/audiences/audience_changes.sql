{{ config(incremental_strategy='append', full_refresh=false) }}

-- dbt only makes this table; each audience appends its own changes when it is built.
select
    cast(null as {{ dbt.type_string() }}) as audience,
    cast(null as {{ dbt.type_string() }}) as profile_id,
    cast(null as {{ dbt.type_string() }}) as change,
    cast(null as {{ timestamp_type() }}) as at,
    cast(null as {{ dbt.type_string() }}) as reason
where 1 = 0
