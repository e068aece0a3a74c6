-- Of each key the facts that its state is made of: one where the destination took the
-- last of them, otherwise up to four. `row_hash` is that of the row which the destination
-- holds, where it is known.
with

facts as (

    select
        key,
        latest.outcome = 'succeeded' as is_settled,
        unnest(
            case
                when latest.outcome = 'succeeded' then [effect]
                else list_distinct([effect, attempt, latest, failure])
            end
        ) as fact
    from sync_states

)

select
    facts.key,
    facts.fact.at as "at",
    facts.fact.operation as operation,
    facts.fact.outcome as outcome,
    facts.fact.code as code,
    cast(facts.fact.fingerprint as uuid) as fingerprint,
    facts.fact.ref as destination_ref,
    facts.fact.run_id as run_id,
    facts.is_settled,
    case
        when not facts.is_settled then null
        when payload.fingerprint = facts.fact.fingerprint then payload.row_hash
        when before.fingerprint = cast(facts.fact.fingerprint as uuid)
            then before.row_hash
    end as row_hash
from facts
left join sync_compared_payload as payload on facts.key = payload.key
left join sync_digest as before on facts.key = before.key and before.is_settled
