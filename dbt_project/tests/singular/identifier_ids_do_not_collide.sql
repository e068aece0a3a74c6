-- Identifiers are told apart by a 64-bit hash; two that share one would be one person.
-- Mend it by giving bigint_hash another salt and building with --full-refresh.
select
    identifier_id,
    min(identifier_value) as identifier_value,
    max(identifier_value) as other_identifier_value
from {{ ref('int_event_identifiers') }}
group by identifier_id
having
    min(identifier_type) <> max(identifier_type)
    or min(identifier_value) <> max(identifier_value)
