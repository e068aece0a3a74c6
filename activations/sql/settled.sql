-- States of keys whose last fact is that the destination took it, as `states.sql` tells
-- them of other keys: from a table or view with that one fact of each key, as a digest
-- has it.
with

settled as (

    select * replace (sync_fingerprint_text(fingerprint) as fingerprint)
    from query_table(given_facts)

),

facts as (

    select
        key,
        row_hash,
        {
            'outcome': outcome,
            'code': code,
            'operation': operation,
            'fingerprint': fingerprint,
            'ref': destination_ref,
            'run_id': run_id,
            'at': settled.at
        } as fact,
        operation <> 'delete' as is_held,
        case when operation <> 'delete' then fingerprint end as held_fingerprint
    from settled

)

select
    key,
    fact as effect,
    fact as attempt,
    fact as latest,
    null as failure,
    is_held,
    held_fingerprint,
    false as is_in_doubt
from facts
