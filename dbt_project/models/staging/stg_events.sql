{{ config(materialized='incremental', incremental_strategy='append') }}

with

source as (

    select * from {{ read_raw(source('raw', 'events')) }}

),

-- A segment lands whole, and may land days late, so what is new is told by the segments
-- already here and not by a watermark on time.
new_arrivals as (

    select source.*
    from source
    {% if is_incremental() %}
        left join
            (
                select distinct
                    segment,
                    dt
                from {{ this }}
            ) as loaded
            on
                source.segment = loaded.segment
                and source.dt = loaded.dt
        where loaded.segment is null
    {% endif %}

),

-- What the collector quarantined and a release lets flow on. All of it in every build:
-- what is stored already falls away below, as every further copy does.
released as (

    select
        payloads.*,
        concat('quarantine/', payloads.segment) as stored_segment
    from {{ ref('quarantined_payloads') }} as payloads
    where payloads.release_id is not null

),

arrivals as (

    select
        source_id,
        message_id,
        user_id,
        anonymous_id,
        previous_id,
        group_id,
        type,
        event,
        name,
        category,
        properties,
        traits,
        context,
        integrations,
        extra,
        timestamp,
        original_timestamp,
        sent_at,
        received_at,
        ip,
        user_agent,
        library_name,
        library_version,
        flags,
        segment,
        position,
        dt
    from new_arrivals

    union all

    select
        source_id,
        message_id,
        user_id,
        anonymous_id,
        previous_id,
        group_id,
        type,
        event,
        name,
        category,
        properties,
        traits,
        context,
        integrations,
        extra,
        timestamp,
        original_timestamp,
        sent_at,
        received_at,
        ip,
        user_agent,
        library_name,
        library_version,
        flags,
        stored_segment as segment,
        position,
        dt
    from released

),

-- Clients send again what was not acknowledged: one message, several arrivals.
ranked as (

    select
        *,
        row_number() over (
            partition by source_id, message_id
            order by received_at, segment, position
        ) as arrival
    from arrivals

),

first_arrivals as (

    select ranked.*
    from ranked
    {% if is_incremental() %}
        left join {{ this }} as stored
            on
                ranked.source_id = stored.source_id
                and ranked.message_id = stored.message_id
    {% endif %}
    where
        ranked.arrival = 1
        {% if is_incremental() %}
            and stored.message_id is null
        {% endif %}

)

select
    ----------  ids
    source_id,
    message_id,
    user_id,
    anonymous_id,
    previous_id,
    group_id,

    ---------- what happened
    type,
    event,
    name,
    category,
    properties,
    traits,
    context,
    integrations,
    extra,

    ---------- timestamps
    timestamp,
    original_timestamp,
    sent_at,
    received_at,

    ---------- how it came
    ip,
    user_agent,
    library_name,
    library_version,
    flags,
    segment,
    position,
    dt
from first_arrivals
