{{ config(materialized='incremental', incremental_strategy='append') }}

-- dbt only makes this table; each model that is made by profile appends its own rows.
select
    cast(null as {{ dbt.type_string() }}) as model,
    cast(null as bigint) as step,
    cast(null as {{ dbt.type_string() }}) as version,
    cast(null as {{ dbt.type_string() }}) as built_at,
    cast(null as bigint) as stored_batch_id,
    cast(null as bigint) as stored_count,
    cast(null as bigint) as identified_batch_id,
    cast(null as bigint) as identified_count,
    cast(null as bigint) as owners_batch_id,
    cast(null as bigint) as owners_count
where 1 = 0
