with

quarantine as (

    select * from {{ ref('stg_quarantine') }}

),

releases as (

    select * from {{ ref('stg_quarantine_releases') }}

),

-- A payload that was cut, or was never an object, is null from here on.
documents as (

    select
        quarantine.*,
        case when replayable then {{ valid_json_object('payload') }} end as body
    from quarantine

),

fields as (

    select
        segment,
        position,
        dt,
        source_id,
        code,
        detail,
        replayable,
        received_at,
        body,

        ----------  ids
        coalesce(
            nullif({{ trimmed(payload_text('body', 'messageId')) }}, ''),
            md5(concat(segment, ':', cast(position as {{ dbt.type_string() }})))
        ) as message_id,
        {{ json_type_of('body', 'messageId') }} as message_id_type,
        {{ payload_id('body', 'userId') }} as user_id,
        {{ payload_id('body', 'anonymousId') }} as anonymous_id,
        {{ payload_id('body', 'previousId') }} as previous_id,
        {{ payload_id('body', 'groupId') }} as group_id,

        ---------- what happened
        {{ payload_text('body', 'type') }} as type,
        nullif({{ payload_text('body', 'event') }}, '') as event,
        {{ payload_text('body', 'name') }} as name,
        {{ payload_text('body', 'category') }} as category,
        {{ payload_object('body', 'properties') }} as properties,
        {{ payload_object('body', 'traits') }} as traits,
        {{ payload_object('body', 'context') }} as context,
        {{ payload_object('body', 'context.traits') }} as context_traits,
        {{ payload_object('body', 'integrations') }} as integrations,
        {{
            json_without_keys('body', [
                'type', 'event', 'name', 'category', 'messageId', 'userId',
                'anonymousId', 'previousId', 'groupId', 'timestamp',
                'originalTimestamp', 'sentAt', 'properties', 'traits', 'context',
                'integrations'
            ])
        }} as extra,

        ---------- timestamps
        coalesce(
            {{ payload_text('body', 'originalTimestamp') }},
            {{ payload_text('body', 'timestamp') }}
        ) as given_timestamp,
        {{ payload_text('body', 'sentAt') }} as given_sent_at,

        ---------- how it came
        nullif({{ payload_text('body', 'context.ip') }}, '0.0.0.0') as ip,
        {{ payload_text('body', 'context.userAgent') }} as user_agent,
        {{ payload_text('body', 'context.library.name') }} as library_name,
        {{ payload_text('body', 'context.library.version') }} as library_version,
        {%- for field in ['properties', 'traits', 'context', 'integrations'] %}
            coalesce({{ json_type_of('body', field) }}, 'null')
            in ('object', 'null')
            {{- ' and' if not loop.last }}
        {%- endfor %} as has_objects
    from documents

),

timed as (

    select
        *,
        {{ parsed_timestamp('given_timestamp') }} as original_timestamp,
        {{ parsed_timestamp('given_sent_at') }} as sent_at
    from fields

),

-- The client's clock, as the collector corrects it: by at most 30 days.
corrected as (

    select
        *,
        case
            when
                abs({{ seconds_between('sent_at', 'received_at') }}) <= 30 * 86400
                then {{ shifted('original_timestamp', 'sent_at', 'received_at') }}
            else coalesce(original_timestamp, received_at)
        end as corrected_timestamp
    from timed

),

-- What the collector would refuse again; null where the payload is an event.
judged as (

    select
        *,
        case
            when not replayable then 'the event itself is wrong'
            when body is null then 'the payload is not a JSON object'
            when
                type is null
                or type not in ('track', 'identify', 'page', 'screen', 'group', 'alias')
                then 'the payload has no type of event'
            when user_id is null and anonymous_id is null
                then 'the payload has neither userId nor anonymousId'
            when type = 'track' and event is null then 'the payload names no event'
            when type = 'alias' and previous_id is null
                then 'the payload has no previousId'
            when type = 'group' and group_id is null then 'the payload has no groupId'
            when coalesce(message_id_type, 'null') not in ('string', 'null')
                then 'the messageId of the payload is not a string'
            when not has_objects
                then
                    'properties, traits, context or integrations of the payload is '
                    || 'not an object'
        end as obstacle,
        case
            when
                {{ seconds_between('received_at', 'corrected_timestamp') }} > 300
                then received_at
            else coalesce(corrected_timestamp, received_at)
        end as timestamp
    from corrected

),

-- A payload may be covered by several releases; the first is the one that counts.
covered as (

    select
        judged.segment,
        judged.position,
        releases.release_id,
        row_number() over (
            partition by judged.segment, judged.position
            order by releases.released_at, releases.release_id
        ) as place
    from judged
    inner join releases
        on
            judged.obstacle is null
            and {{
                release_covers(
                    'releases',
                    code='judged.code',
                    event="case when judged.type = 'track' then judged.event "
                    ~ "else judged.type end",
                    source_id='judged.source_id',
                    received_at='judged.received_at',
                    ids=[
                        'judged.message_id',
                        "concat(judged.segment, ':', judged.position)",
                    ]
                )
            }}

)

select
    judged.segment,
    judged.position,
    judged.dt,
    judged.source_id,
    judged.code,
    judged.detail,
    judged.received_at,
    judged.obstacle,
    covered.release_id,

    ----------  the event that the payload is
    judged.message_id,
    judged.user_id,
    judged.anonymous_id,
    judged.previous_id,
    judged.group_id,
    judged.type,
    judged.event,
    judged.name,
    judged.category,
    judged.properties,
    case
        when judged.type = 'identify'
            then coalesce(judged.traits, judged.context_traits)
        else judged.traits
    end as traits,
    judged.context,
    judged.integrations,
    nullif(judged.extra, '{}') as extra,
    judged.timestamp,
    judged.original_timestamp,
    judged.sent_at,
    judged.ip,
    judged.user_agent,
    judged.library_name,
    judged.library_version,
    case
        when judged.given_timestamp is not null and judged.original_timestamp is null
            then {{ text_list(['released', 'bad_timestamp']) }}
        else {{ text_list(['released']) }}
    end as flags
from judged
left join covered
    on
        judged.segment = covered.segment
        and judged.position = covered.position
        and covered.place = 1
