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
        end as account_id,
        -- The traits of a group call are those of the account, whoever made the call.
        case
            when type = 'group'
                then nullif({{ trimmed(json_text('traits', 'name')) }}, '')
        end as account_name,
        case
            when type = 'group'
                then nullif({{ trimmed(json_text('traits', 'plan')) }}, '')
        end as account_plan
    from events

)

select
    account_id,
    source_id,
    message_id,
    profile_id,
    type,
    account_name,
    account_plan,
    timestamp,
    received_at
from named
where account_id is not null and not ({{ is_blocked_account('account_id') }})
