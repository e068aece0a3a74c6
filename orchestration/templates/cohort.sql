-- Who was in $audience as of
-- $as_of, under the profiles' names of today.
with

changes as (

    select * from {{ ref('audience_changes') }}

),

profile_identifiers as (

    select * from {{ ref('profile_identifiers') }}

),

members as (

    select changes.profile_id
    from changes
    where
        changes.audience = '$audience'
        and changes.at <= {{ time_literal('$as_of') }}
    group by changes.profile_id
    having {{ is_audience_member() }}

),

known_by as (

    select
        {{ profile_id('identifier_type', 'identifier_value') }} as former_id,
        profile_id
    from profile_identifiers

)

select coalesce(known_by.profile_id, members.profile_id) as profile_id
from members
left join known_by on members.profile_id = known_by.former_id
