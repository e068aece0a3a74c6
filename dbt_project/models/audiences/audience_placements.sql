{{ config(incremental_strategy='append', full_refresh=false) }}

-- dbt only makes this table; each audience appends its own rows when it is built.
select
    cast(null as {{ dbt.type_string() }}) as audience,
    cast(null as {{ dbt.type_string() }}) as salt,
    cast(null as {{ dbt.type_string() }}) as profile_id,
    cast(null as {{ dbt.type_string() }}) as stratum,
    cast(null as bigint) as turn,
    cast(null as {{ timestamp_type() }}) as placed_at
where 1 = 0
