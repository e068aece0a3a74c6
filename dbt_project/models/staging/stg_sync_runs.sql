with

source as (

    select * from {{ read_raw(source('raw', 'sync_runs')) }}

),

-- A run has a fact of its start, and one of its end unless it was killed.
ranked as (

    select
        *,
        row_number() over (
            partition by sync, run_id
            order by case when event = 'finished' then 0 else 1 end, source.at desc
        ) as choice
    from source

),

runs as (

    select
        *,
        -- A run that found another one under way says nothing of that one's end.
        max(case when status = 'overlap' then null else started_at end) over (
            partition by sync
        ) as last_started_at
    from ranked
    where choice = 1

)

select
    sync,
    run_id,
    model,
    destination,
    action,
    mode,
    primary_key,
    started_at,
    finished_at,
    case
        when status is not null then status
        when started_at < last_started_at then 'killed'
        when started_at < {{ days_ago(1) }} then 'killed'
        else 'running'
    end as status,
    stop_code,
    stopped,
    guard,
    held_reason,
    payload_rows,
    destination_rows,
    planned_insert,
    planned_update,
    planned_delete,
    succeeded_insert,
    succeeded_update,
    succeeded_delete,
    rejected_insert,
    rejected_update,
    rejected_delete,
    failed_insert,
    failed_update,
    failed_delete,
    held_insert,
    held_update,
    held_delete,
    refused,
    dead,
    left_out,
    watermark,
    dt
from runs
