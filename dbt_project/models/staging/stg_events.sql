{{ config(materialized='incremental', incremental_strategy='append') }}

with

source as {{ computed_anew() }} (

    select * from {{ read_raw(source('raw', 'events')) }}

),

{% if is_incremental() %}
    -- A segment lands whole, and may land days late, so what is new is told by the
    -- segments already here and not by a watermark on time.
    landed_segments as (

        select distinct
            segment,
            dt
        from {{ read_raw(source('raw', 'events')) }}

    ),

    stored_segments as (

        select distinct
            segment,
            dt
        from {{ this }}

    ),

    new_segments as (

        select landed_segments.*
        from landed_segments
        left join stored_segments
            on
                landed_segments.segment = stored_segments.segment
                and landed_segments.dt = stored_segments.dt
        where stored_segments.segment is null

    ),

{% endif %}
new_arrivals as {{ computed_anew() }} (

    select source.*
    from source
    {% if is_incremental() %}
        inner join new_segments
            on
                source.segment = new_segments.segment
                and source.dt = new_segments.dt
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

arrivals as {{ computed_anew() }} (

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

-- Clients send again what was not acknowledged: one message, several arrivals. Most
-- messages have one, so only the others are put in order.
repeated as (

    select
        source_id,
        message_id
    from arrivals
    group by source_id, message_id
    having count(*) > 1

),

ranked as (

    select
        arrivals.*,
        row_number() over (
            partition by arrivals.source_id, arrivals.message_id
            order by arrivals.received_at, arrivals.segment, arrivals.position
        ) as arrival
    from arrivals
    inner join repeated
        on
            arrivals.source_id = repeated.source_id
            and arrivals.message_id = repeated.message_id

),

first_arrivals as (

    select
        arrivals.*,
        1 as arrival
    from arrivals
    left join repeated
        on
            arrivals.source_id = repeated.source_id
            and arrivals.message_id = repeated.message_id
    where repeated.message_id is null

    union all

    select * from ranked
    where arrival = 1

),

new_events as (

    select first_arrivals.*
    from first_arrivals
    {% if is_incremental() %}
        left join {{ this }} as stored
            on
                first_arrivals.source_id = stored.source_id
                and first_arrivals.message_id = stored.message_id
        where stored.message_id is null
    {% endif %}

),

batches as (

    {% if is_incremental() %}
        select {{ next_batch_id('batch_id') }} as batch_id
        from {{ this }}
    {% else %}
        select {{ build_started_microseconds() }} as batch_id
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
    dt,
    batch_id
from new_events
cross join batches
