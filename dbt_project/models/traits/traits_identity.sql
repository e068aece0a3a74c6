-- Compiled from traits_identity.yml; c0bd7187f525
{{ config(materialized='by_profile') }}

with

events as (

    select * from {{ ref('events') }}

),

identifies as (

    select
        profile_id,
        source_id,
        (timestamp, received_at, source_id, message_id) as place,
        nullif({{ lowered(trimmed(json_text('traits', 'email'))) }}, '') as email,
        nullif({{ trimmed(json_text('traits', 'first_name')) }}, '') as first_name,
        nullif({{ trimmed(json_text('traits', 'last_name')) }}, '') as last_name,
        nullif({{ trimmed(json_text('traits', 'phone')) }}, '') as phone,
        nullif({{ trimmed(json_text('traits', 'country')) }}, '') as country,
        case
            when {{ json_type_of('traits', 'marketing_consent') }} <> 'null'
                then
                    {{ json_type_of('traits', 'marketing_consent') }} = 'boolean'
                    and {{ json_text('traits', 'marketing_consent') }} = 'true'
        end as has_marketing_consent
    from events
    where
        type = 'identify'
        and profile_id is not null
        and timestamp <= {{ build_started_at() }}

)

select
    profile_id,
    max_by(email, case when email is not null then place end) as email,
    max_by(
        first_name,
        case when first_name is not null then place end
    ) as first_name,
    max_by(last_name, case when last_name is not null then place end) as last_name,
    max_by(phone, case when phone is not null then place end) as phone,
    max_by(country, case when country is not null then place end) as country,
    max_by(
        has_marketing_consent,
        case when has_marketing_consent is not null then place end
    ) as has_marketing_consent
from identifies
group by profile_id
