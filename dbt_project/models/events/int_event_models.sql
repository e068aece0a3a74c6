{{ config(incremental_strategy='append') }}

-- dbt only makes this table; each event model appends what it was made from.
select
    cast(null as {{ dbt.type_string() }}) as model,
    cast(null as bigint) as step,
    cast(null as {{ dbt.type_string() }}) as version,
    cast(null as bigint) as stored_batch_id,
    cast(null as bigint) as profiles_batch_id,
    cast(null as bigint) as violation_count
where 1 = 0
