with

runs as (

    select * from {{ ref('stg_sync_runs') }}

),

changelog as (

    select
        *,
        status <> 'held' as is_attempted,
        status = 'succeeded' as is_succeeded
    from {{ ref('sync_changelog') }}

),

-- What the outcomes of single rows tell: of a run that was killed, all there is.
logged as (

    select
        sync_id,
        sync_run_id,
        destination,
        action,
        min(finished_at) as first_outcome_at,
        max(finished_at) as last_outcome_at,
        count(case when op_type = 'added' then 1 end) as planned_insert,
        count(case when op_type = 'added' and is_attempted then 1 end)
            as attempted_insert,
        count(case when op_type = 'added' and is_succeeded then 1 end)
            as succeeded_insert,
        count(case when op_type = 'changed' then 1 end) as planned_update,
        count(case when op_type = 'changed' and is_attempted then 1 end)
            as attempted_update,
        count(case when op_type = 'changed' and is_succeeded then 1 end)
            as succeeded_update,
        count(case when op_type = 'removed' then 1 end) as planned_delete,
        count(case when op_type = 'removed' and is_attempted then 1 end)
            as attempted_delete,
        count(case when op_type = 'removed' and is_succeeded then 1 end)
            as succeeded_delete,
        count(case when status = 'rejected' then 1 end) as rejected,
        count(case when status = 'failed' then 1 end) as failed,
        count(case when status = 'held' then 1 end) as held
    from changelog
    group by sync_id, sync_run_id, destination, action

),

counted as (

    select
        *,
        succeeded_insert + rejected_insert + failed_insert as attempted_insert,
        succeeded_update + rejected_update + failed_update as attempted_update,
        succeeded_delete + rejected_delete + failed_delete as attempted_delete,
        rejected_insert + rejected_update + rejected_delete as rejected,
        failed_insert + failed_update + failed_delete as failed,
        held_insert + held_update + held_delete as held
    from runs

)

-- The names of columns are those of Hightouch's audit tables.
select
    coalesce(counted.sync, logged.sync_id) as sync_id,
    coalesce(counted.run_id, logged.sync_run_id) as sync_run_id,
    counted.model as model_name,
    coalesce(counted.destination, logged.destination) as destination,
    coalesce(counted.action, logged.action) as action,
    counted.mode,
    counted.primary_key,
    counted.status,
    case
        when counted.status = 'killed' then 'The process ended before the run did.'
        else counted.stopped
    end as error,
    counted.stop_code as error_code,
    counted.guard,
    counted.held_reason,
    coalesce(counted.started_at, logged.first_outcome_at) as started_at,
    logged.first_outcome_at,
    case
        when counted.status = 'running' then null
        else coalesce(counted.finished_at, logged.last_outcome_at)
    end as finished_at,
    counted.payload_rows,
    counted.destination_rows,
    coalesce(
        counted.planned_insert + counted.held_insert, logged.planned_insert, 0
    ) as num_planned_add,
    coalesce(counted.attempted_insert, logged.attempted_insert, 0)
        as num_attempted_add,
    coalesce(counted.succeeded_insert, logged.succeeded_insert, 0)
        as num_succeeded_add,
    coalesce(
        counted.planned_update + counted.held_update, logged.planned_update, 0
    ) as num_planned_change,
    coalesce(counted.attempted_update, logged.attempted_update, 0)
        as num_attempted_change,
    coalesce(counted.succeeded_update, logged.succeeded_update, 0)
        as num_succeeded_change,
    coalesce(
        counted.planned_delete + counted.held_delete, logged.planned_delete, 0
    ) as num_planned_remove,
    coalesce(counted.attempted_delete, logged.attempted_delete, 0)
        as num_attempted_remove,
    coalesce(counted.succeeded_delete, logged.succeeded_delete, 0)
        as num_succeeded_remove,
    coalesce(counted.rejected, logged.rejected, 0) as num_rejected,
    coalesce(counted.failed, logged.failed, 0) as num_failed,
    coalesce(counted.held, logged.held, 0) as num_held,
    coalesce(counted.refused, 0) as num_refused,
    coalesce(counted.dead, 0) as num_dead,
    coalesce(counted.left_out, 0) as num_left_out
from counted
full outer join logged
    on counted.sync = logged.sync_id and counted.run_id = logged.sync_run_id
