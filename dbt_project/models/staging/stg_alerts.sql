with

source as (

    select * from {{ read_raw(source('raw', 'alerts')) }}

),

-- An alert has a fact of its sending, and one of what came of it if that is known.
ranked as (

    select
        *,
        min(source.at) over (partition by alert_id) as raised_at,
        row_number() over (
            partition by alert_id
            order by case when outcome = 'sending' then 1 else 0 end, source.at desc
        ) as choice
    from source

)

select
    alert_id,
    subject,
    channel,
    state,
    previous_state,
    reason,
    outcome,
    message,
    raised_at,
    ranked.at,
    dt
from ranked
where choice = 1
