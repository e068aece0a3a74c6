-- Identifiers are told apart by a 64-bit hash; two that share one would be one person.
-- Mend it by giving bigint_hash another salt and building with --full-refresh. Looked at
-- are those of rows that came since this passed last, in all rows.
{%- set passed_up_to = passed_up_to() %}
select
    identifier_id,
    min(identifier_value) as identifier_value,
    max(identifier_value) as other_identifier_value
from {{ ref('int_event_identifiers') }}
{% if passed_up_to >= 0 %}
where identifier_id in (
    select identifier_id
    from {{ ref('int_event_identifiers') }}
    where batch_id > {{ passed_up_to }}
)
{% endif %}
group by identifier_id
having
    min(identifier_type) <> max(identifier_type)
    or min(identifier_value) <> max(identifier_value)
