-- What differs between the payload and what the destination holds: one row per key that
-- is to be inserted, updated or deleted. Deletes are found in every mode; who reads this
-- decides whether to send them.
with

log as (

    select * from sync_log_rows
    where destination = $destination and action = $action

),

-- The latest rows of each key: `effect` is what the destination took last, `attempt` what
-- was tried last, `latest` whatever was written last (a held row was not tried).
states as (

    select
        key,
        arg_max(
            {
                'operation': operation,
                'fingerprint': fingerprint,
                'ref': destination_ref,
                'run_id': run_id
            },
            log.at
        ) filter (where outcome = 'succeeded') as effect,
        arg_max(
            {'outcome': outcome, 'operation': operation, 'fingerprint': fingerprint, 'at': log.at},
            log.at
        ) filter (where outcome <> 'held') as attempt,
        arg_max(
            {'outcome': outcome, 'operation': operation, 'fingerprint': fingerprint},
            log.at
        ) as latest
    from log
    group by key

),

held_there as (

    select
        key,
        effect.fingerprint as fingerprint,
        effect.ref as ref
    from states
    where effect is not null and effect.operation <> 'delete'

),

compared as (

    select
        coalesce(payload.key, held_there.key) as key,
        case
            when held_there.key is null then 'insert'
            when payload.key is null then 'delete'
            when payload.fingerprint is distinct from held_there.fingerprint then 'update'
            else 'same'
        end as operation,
        coalesce(payload.fingerprint, held_there.fingerprint) as fingerprint,
        held_there.ref
    from sync_payload as payload
    full outer join held_there on payload.key = held_there.key

),

judged as (

    select
        compared.key,
        compared.operation,
        compared.fingerprint,
        compared.ref,
        -- An effect ends the life of an idempotency key: the same row sent again later
        -- is a new request.
        coalesce(states.effect.run_id, '') as since_run,
        -- The destination has refused exactly this: it would refuse it again.
        coalesce(
            states.attempt.outcome = 'rejected'
            and (states.attempt.operation = 'delete') = (compared.operation = 'delete')
            and states.attempt.fingerprint = compared.fingerprint,
            false
        ) as is_refused,
        case when states.attempt.outcome = 'failed' then states.attempt.at end as failed_at,
        coalesce(
            states.latest.outcome = 'held'
            and states.latest.operation = compared.operation
            and states.latest.fingerprint = compared.fingerprint,
            false
        ) as is_held_already
    from compared
    left join states on compared.key = states.key
    where compared.operation <> 'same'

)

select * from judged
