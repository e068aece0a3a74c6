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
    {%- for operation, op_type in [('add', 'added'), ('change', 'changed'), ('remove', 'removed')] %}
    count(case when op_type = '{{ op_type }}' then 1 end)
        as num_planned_{{ operation }},
    count(case when op_type = '{{ op_type }}' and is_attempted then 1 end)
        as num_attempted_{{ operation }},
    count(case when op_type = '{{ op_type }}' and is_succeeded then 1 end)
        as num_succeeded_{{ operation }},
    {%- endfor %}
    count(case when status = 'rejected' then 1 end) as num_rejected,
    count(case when status = 'failed' then 1 end) as num_failed,
    count(case when status = 'held' then 1 end) as num_held
from changelog
group by sync_id, sync_run_id, destination
