-- What the destination must be told so that it holds the payload: one row per key whose
-- row is new, has changed, is to be sent again, or has left. What the mode never sends
-- is not in it.
with

compared as (

    select
        coalesce(payload.key, states.key) as key,
        case
            when payload.key is null or not payload.is_allowed then 'left'
            when not coalesce(states.is_held, false) then 'new'
            when payload.fingerprint <> states.held_fingerprint then 'changed'
            when states.effect.at <= $resynced_at or states.is_in_doubt then 'again'
            else 'same'
        end as kind,
        payload.key is not null as is_in_payload,
        payload.fingerprint as payload_fingerprint,
        coalesce(states.held_fingerprint, states.failure.fingerprint)
            as held_fingerprint,
        states.is_held,
        states.is_in_doubt,
        md5(sync_left_record(states.key)) as left_fingerprint,
        case when states.is_held then states.effect.ref end as ref,
        states.effect,
        states.attempt,
        states.latest
    from sync_compared_payload as payload
    full outer join sync_compared_states as states on payload.key = states.key
    where payload.is_allowed or states.is_held or states.is_in_doubt

),

-- `on_leave` says what becomes of rows that left; who withdrew consent is removed even
-- where others may stay.
wanted as (

    select
        *,
        case
            when kind = 'left' and is_in_payload then $on_withdrawal
            when kind = 'left' then $on_leave
            when $mode = 'update' then 'update'
            when kind = 'new' then 'insert'
            when $mode not in ('insert', 'append') then 'update'
        end as operation
    from compared
    where kind <> 'same'

),

fingerprinted as (

    select
        *,
        case
            when kind <> 'left' then payload_fingerprint
            when operation = 'update' then left_fingerprint
            else held_fingerprint
        end as fingerprint
    from wanted
    where operation is not null

),

asked as (

    select
        key,
        max(requests.at) as at
    from sync_requests_rows as requests
    where request = 'retry' and key is not null
    group by key

),

-- A retry that is asked for makes what happened before it not count.
judged as (

    select
        fingerprinted.*,
        (attempt.operation = 'delete') = (operation = 'delete')
            and attempt.fingerprint = fingerprint as is_same_as_attempt,
        greatest(asked.at, $retried_at, effect.at) as failures_count_from,
        greatest(asked.at, $rejected_retried_at) as refusals_count_from
    from fingerprinted
    left join asked on fingerprinted.key = asked.key
    -- What leaves for good in the destination has been told it already.
    where
        kind <> 'left'
        or operation <> 'update'
        or fingerprint <> held_fingerprint
        or not is_held
        or is_in_doubt

),

-- Runs to which the destination said nothing: they tell nothing about a row.
silent_runs as (

    select run_id
    from sync_runs_rows
    where
        status = 'stopped'
        or (
            succeeded_insert + succeeded_update + succeeded_delete
            + rejected_insert + rejected_update + rejected_delete
        ) = 0

),

failures as (

    select
        judged.key,
        count(distinct log.run_id) filter (
            log.run_id not in (select run_id from silent_runs)
        ) as run_count,
        min(log.at) as since
    from judged
    inner join sync_log_rows as log on judged.key = log.key
    where
        log.destination = $destination
        and log.action = $action
        and log.outcome = 'failed'
        and log.fingerprint = judged.fingerprint
        and (log.operation = 'delete') = (judged.operation = 'delete')
        and log.at > judged.failures_count_from
    group by judged.key

),

result as (

    select
        judged.key,
        judged.kind,
        judged.operation,
        judged.fingerprint,
        judged.ref,
        judged.is_held,
        -- An effect ends the life of an idempotency key: the same row sent again later
        -- is a new request.
        coalesce(judged.effect.run_id, '') as since_run,
        case
            -- The destination has refused exactly this: it would refuse it again.
            when
                judged.attempt.outcome = 'rejected'
                and judged.is_same_as_attempt
                and judged.attempt.at > judged.refusals_count_from
                then 'refused'
            when
                failures.run_count >= $dead_after_runs
                or failures.since < $dead_since
                then 'dead'
            else 'send'
        end as verdict,
        case when judged.attempt.outcome = 'failed' then judged.attempt.at end as failed_at,
        -- What was under way when its run ended is not to blame for that.
        judged.attempt.outcome = 'failed' and judged.attempt.code is distinct from 'unknown'
            as goes_alone,
        coalesce(
            judged.latest.outcome = 'held'
            and judged.latest.operation = judged.operation
            and judged.latest.fingerprint = judged.fingerprint,
            false
        ) as is_held_already
    from judged
    left join failures on judged.key = failures.key

)

-- The destination has refused to remove what may never have arrived: that is the end.
select * exclude (is_held)
from result
where kind <> 'left' or is_held or verdict <> 'refused'
