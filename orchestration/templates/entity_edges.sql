with

events as (

    select * from {{ ref('events') }}

),

-- What the members have in common: here an address that they told.
-- Something else is another select, with `union all`, in `shared`.
addresses as (

    select
        profile_id,
        lower(trim({{ trait('address.street') }})) as street,
        lower(trim({{ trait('address.postalCode') }})) as postal_code,
        received_at
    from events
    where type = 'identify' and profile_id is not null

),

shared as (

    select
        profile_id,
        'address ' || street || ' ' || postal_code as shared_value,
        received_at
    from addresses
    where street <> '' and postal_code <> ''

)

select
    profile_id,
    shared_value,
    {{ bigint_hash("'profile ' || profile_id") }} as left_id,
    {{ bigint_hash('shared_value') }} as right_id,
    min(received_at) as first_seen_at
from shared
group by
    profile_id,
    shared_value
