{{ config(materialized='view') }}

with

sync_log as (

    select * from {{ ref('stg_sync_log') }}

),

-- A row that a guard held was not tried, which tells nothing of the destination.
attempts as (

    select
        *,
        row_number() over (
            partition by sync, destination, action, key
            order by sync_log.at desc
        ) as recency,
        max(case when outcome = 'succeeded' then sync_log.at end) over (
            partition by sync, destination, action, key
        ) as last_succeeded_at,
        max(case when outcome <> 'failed' then sync_log.at end) over (
            partition by sync, destination, action, key
        ) as last_settled_at
    from sync_log
    where outcome <> 'held'

),

failures as (

    select
        sync,
        destination,
        action,
        key,
        count(*) as failed_runs,
        min(attempts.at) as failing_since
    from attempts
    where
        outcome = 'failed'
        and (last_settled_at is null or attempts.at > last_settled_at)
    group by sync, destination, action, key

),

effects as (

    select
        sync,
        destination,
        action,
        key,
        operation,
        fingerprint,
        destination_ref
    from attempts
    where outcome = 'succeeded' and attempts.at = last_succeeded_at

),

latest as (

    select * from attempts
    where recency = 1

)

-- The names of columns and operations are those of Hightouch's audit tables.
select
    latest.sync as sync_id,
    latest.run_id as sync_run_id,
    latest.destination,
    latest.action,
    latest.key as row_id,
    case latest.operation
        when 'insert' then 'added'
        when 'update' then 'changed'
        when 'delete' then 'removed'
    end as op_type,
    latest.outcome as status,
    latest.code as failure_code,
    latest.message as failure_reason,
    latest.at as finished_at,
    effects.key is not null and effects.operation <> 'delete' as is_in_destination,
    effects.fingerprint,
    effects.destination_ref,
    latest.last_succeeded_at,
    coalesce(failures.failed_runs, 0) as failed_runs,
    failures.failing_since
from latest
left join effects
    on
        latest.sync = effects.sync
        and latest.destination = effects.destination
        and latest.action = effects.action
        and latest.key = effects.key
left join failures
    on
        latest.sync = failures.sync
        and latest.destination = failures.destination
        and latest.action = failures.action
        and latest.key = failures.key
