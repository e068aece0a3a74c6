with

events as (

    select * from {{ ref('events') }}

),

identifies as (

    select
        profile_id,
        nullif({{ lowered(trimmed(json_text('traits', 'email'))) }}, '') as email,
        nullif({{ trimmed(json_text('traits', 'first_name')) }}, '') as first_name,
        nullif({{ trimmed(json_text('traits', 'last_name')) }}, '') as last_name,
        nullif({{ trimmed(json_text('traits', 'phone')) }}, '') as phone,
        nullif({{ trimmed(json_text('traits', 'country')) }}, '') as country,
        -- Consent is the JSON value true; anything else that was sent is a no.
        case
            when {{ json_type_of('traits', 'marketing_consent') }} <> 'null'
                then
                    {{ json_type_of('traits', 'marketing_consent') }} = 'boolean'
                    and {{ json_text('traits', 'marketing_consent') }} = 'true'
        end as has_marketing_consent,
        row_number() over (
            partition by profile_id
            order by timestamp, received_at, source_id, message_id
        ) as recency
    from events
    where type = 'identify' and profile_id is not null

)

select
    profile_id,
    {{ most_recent('email', 'recency') }} as email,
    {{ most_recent('first_name', 'recency') }} as first_name,
    {{ most_recent('last_name', 'recency') }} as last_name,
    {{ most_recent('phone', 'recency') }} as phone,
    {{ most_recent('country', 'recency') }} as country,
    {{ most_recent('has_marketing_consent', 'recency') }} as has_marketing_consent
from identifies
group by profile_id
