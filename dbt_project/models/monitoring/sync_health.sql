with

declared as (

    select * from {{ declared_syncs() }} as declared

),

-- A run that is under way, or that found another one so, tells nothing yet.
runs as (

    select
        *,
        row_number() over (
            partition by sync_id
            order by started_at desc, sync_run_id desc
        ) as recency
    from {{ ref('sync_runs') }}
    where status is null or status not in ('overlap', 'running')

),

histories as (

    select
        sync_id,
        count(*) as run_count,
        min(started_at) as first_run_at,
        max(
            case
                when status in ('succeeded', 'completed_with_errors') then finished_at
            end
        ) as last_success_at
    from runs
    group by sync_id

),

latest as (

    select
        *,
        num_rejected + num_refused as rows_rejected,
        greatest(
            coalesce(payload_rows, 0),
            num_attempted_add + num_attempted_change + num_attempted_remove
            + num_refused,
            1
        ) as rows_in_all,
        greatest(coalesce(destination_rows, 0), num_held, 1) as rows_held_in_all
    from runs
    where recency = 1

),

measured as (

    select
        declared.sync as sync_id,
        declared.destination,
        declared.action,
        declared.mode,
        declared.schedule,
        declared.due_since,
        coalesce(histories.run_count, 0) as run_count,
        histories.first_run_at,
        histories.last_success_at,
        latest.sync_run_id as last_run_id,
        latest.started_at as last_run_at,
        latest.status as last_run_status,
        coalesce(latest.status = 'stopped', false) as is_stopped,
        coalesce(latest.error_code, '') as error_code,
        latest.error,
        latest.held_reason,
        coalesce(latest.num_held, 0) as num_held,
        coalesce(latest.num_dead, 0) as num_dead,
        coalesce(latest.num_left_out, 0) as num_left_out,
        coalesce(cast(latest.rows_rejected as double) / latest.rows_in_all, 0)
            as rejected_share,
        coalesce(cast(latest.num_failed as double) / latest.rows_in_all, 0)
            as failed_share,
        coalesce(cast(latest.num_held as double) / latest.rows_held_in_all, 0)
            as held_share
    from declared
    left join histories on declared.sync = histories.sync_id
    left join latest on declared.sync = latest.sync_id

),

-- The first of these that holds is why the sync is not healthy.
judged as (

    select
        *,
        case
            when run_count = 0 then 'never_run'
            when
                is_stopped
                and error_code not in ('interrupted', 'lease_lost', 'unavailable')
                then 'stopped'
            when coalesce(last_success_at, first_run_at) < due_since then 'overdue'
            when is_stopped and error_code = 'unavailable' then 'unavailable'
            when is_stopped or last_run_status = 'killed' then 'killed'
            when last_run_status = 'held' then 'held'
            when num_dead > 0 then 'dead_letters'
            when rejected_share > {{ most_rejected() }} then 'rejected'
            when failed_share > {{ most_rejected() }} then 'failed'
        end as problem
    from measured

)

select
    sync_id,
    destination,
    action,
    mode,
    schedule,
    case
        when problem in ('stopped', 'overdue') then 'critical'
        when problem is null or problem = 'never_run' then 'healthy'
        else 'warning'
    end as state,
    problem,
    case problem
        when 'never_run' then 'It has not run yet.'
        when 'stopped' then coalesce(error, 'The last run was stopped.')
        when 'overdue' then 'No run has succeeded for longer than it may take.'
        when 'unavailable' then coalesce(error, 'The destination did not answer.')
        when 'killed' then 'The last run was cut off; the next one goes on from there.'
        when 'held' then coalesce(held_reason, 'A guard holds rows back.')
        when 'dead_letters' then 'Rows failed so often that they are not sent any more.'
        when 'rejected' then 'The destination refuses too many of the rows.'
        when 'failed' then 'Too many of the rows could not be delivered.'
    end as reason,
    last_run_id,
    last_run_at,
    last_run_status,
    last_success_at,
    {{ seconds_between('last_success_at', build_started_at()) }}
        as seconds_since_success,
    due_since,
    rejected_share,
    failed_share,
    held_share,
    num_held,
    num_dead,
    num_left_out
from judged
