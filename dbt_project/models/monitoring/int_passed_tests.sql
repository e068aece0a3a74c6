{{ config(materialized='incremental', incremental_strategy='append') }}

-- dbt only makes this table; at the end of a run it is told which tests passed.
select
    cast(null as {{ dbt.type_string() }}) as test,
    cast(null as bigint) as batch_id
where 1 = 0
