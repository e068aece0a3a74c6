with

changelog as (

    select
        *,
        status <> 'held' as is_attempted,
        status = 'succeeded' as is_succeeded
    from {{ ref('sync_changelog') }}

)

select
    sync_id,
    sync_run_id,
    destination,
    min(finished_at) as first_outcome_at,
    max(finished_at) as finished_at,
    count(case when op_type = 'added' then 1 end) as num_planned_add,
    count(case when op_type = 'added' and is_attempted then 1 end)
        as num_attempted_add,
    count(case when op_type = 'added' and is_succeeded then 1 end)
        as num_succeeded_add,
    count(case when op_type = 'changed' then 1 end) as num_planned_change,
    count(case when op_type = 'changed' and is_attempted then 1 end)
        as num_attempted_change,
    count(case when op_type = 'changed' and is_succeeded then 1 end)
        as num_succeeded_change,
    count(case when op_type = 'removed' then 1 end) as num_planned_remove,
    count(case when op_type = 'removed' and is_attempted then 1 end)
        as num_attempted_remove,
    count(case when op_type = 'removed' and is_succeeded then 1 end)
        as num_succeeded_remove,
    count(case when status = 'rejected' then 1 end) as num_rejected,
    count(case when status = 'failed' then 1 end) as num_failed,
    count(case when status = 'held' then 1 end) as num_held
from changelog
group by sync_id, sync_run_id, destination
