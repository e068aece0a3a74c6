with

events as (

    select * from {{ ref('events') }}

),

-- A group call says by its groupId where a person belongs; any other call may say in
-- context.groupId on behalf of which account it was made.
named as (

    select
        source_id,
        message_id,
        profile_id,
        type,
        timestamp,
        received_at,
        case
            when type = 'group' then {{ trimmed('group_id') }}
            else {{ trimmed(json_text('context', 'groupId')) }}
        end as account_id
    from events

)

select
    account_id,
    source_id,
    message_id,
    profile_id,
    type,
    timestamp,
    received_at
from named
where account_id is not null and not ({{ is_blocked_account('account_id') }})
