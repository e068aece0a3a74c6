-- What the log tells of each key, one row per key: `effect` is what the destination took
-- last, `attempt` what was tried last, `latest` whatever was written last (a held row
-- was not tried). What the destination took, it holds until it takes a delete. What has
-- failed since may have arrived all the same: the key is in doubt.
with

states as (

    select
        key,
        arg_max(
            {
                'operation': operation,
                'fingerprint': fingerprint,
                'ref': destination_ref,
                'run_id': run_id,
                'at': log.at
            },
            log.at
        ) filter (outcome = 'succeeded') as effect,
        arg_max(
            {
                'outcome': outcome,
                'operation': operation,
                'fingerprint': fingerprint,
                'at': log.at
            },
            log.at
        ) filter (outcome <> 'held') as attempt,
        arg_max(
            {'outcome': outcome, 'operation': operation, 'fingerprint': fingerprint},
            log.at
        ) as latest,
        arg_max({'fingerprint': fingerprint, 'at': log.at}, log.at) filter (
            outcome = 'failed'
        ) as failure
    from sync_log_rows as log
    where destination = $destination and action = $action
    group by key

)

select
    *,
    effect is not null and effect.operation <> 'delete' as is_held,
    case when effect.operation <> 'delete' then effect.fingerprint end
        as held_fingerprint,
    failure is not null and (effect is null or failure.at > effect.at) as is_in_doubt
from states
