-- What the log tells of each key, one row per key: `effect` is what the destination took
-- last, `attempt` what was tried last, `latest` whatever was written last (a held row
-- was not tried). What the destination took, it holds until it takes a delete. What has
-- failed since may have arrived all the same: the key is in doubt.
with

log as (

    select
        key,
        facts.at,
        {
            'outcome': outcome,
            'code': code,
            'operation': operation,
            'fingerprint': fingerprint,
            'ref': destination_ref,
            'run_id': run_id,
            'at': facts.at
        } as fact
    from sync_facts as facts

),

-- Of nearly all keys the latest row tells everything: finding it by its time is twice as
-- fast as the aggregates that carry whole rows, which only the other keys need.
latest_times as (

    select
        key,
        max(log.at) as latest_at
    from log
    group by key

),

latest_facts as (

    select
        log.key,
        any_value(log.fact) as fact
    from log
    inner join latest_times
        on log.key = latest_times.key and log.at = latest_times.latest_at
    group by log.key

),

unsettled as (

    select key from latest_facts where fact.outcome <> 'succeeded'

),

unsettled_states as (

    select
        log.key,
        arg_max(fact, log.at) filter (fact.outcome = 'succeeded') as effect,
        arg_max(fact, log.at) filter (fact.outcome <> 'held') as attempt,
        arg_max(fact, log.at) as latest,
        arg_max(fact, log.at) filter (fact.outcome = 'failed') as failure
    from log
    inner join unsettled on log.key = unsettled.key
    group by log.key

),

states as (

    select
        key,
        fact as effect,
        fact as attempt,
        fact as latest,
        null as failure
    from latest_facts
    where fact.outcome = 'succeeded'
    union all
    select
        key,
        effect,
        attempt,
        latest,
        failure
    from unsettled_states

)

select
    *,
    effect is not null and effect.operation <> 'delete' as is_held,
    case when effect.operation <> 'delete' then effect.fingerprint end
        as held_fingerprint,
    failure is not null and (effect is null or failure.at > effect.at) as is_in_doubt
from states
