with

sync_log as (

    select * from {{ ref('stg_sync_log') }}

)

-- The names of columns and operations are those of Hightouch's audit tables.
select
    sync_log.sync as sync_id,
    sync_log.run_id as sync_run_id,
    sync_log.key as row_id,
    case sync_log.operation
        when 'insert' then 'added'
        when 'update' then 'changed'
        when 'delete' then 'removed'
    end as op_type,
    sync_log.outcome as status,
    sync_log.code as failure_code,
    sync_log.message as failure_reason,
    sync_log.destination,
    sync_log.action,
    sync_log.destination_ref,
    sync_log.attempts,
    sync_log.request_ms,
    sync_log.at as finished_at
from sync_log
