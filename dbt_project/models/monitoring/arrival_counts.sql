{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        pre_hook="{{ forget_counts_of_other_events() }}",
    )
}}

with

landed as {{ computed_anew() }} (

    select
        source_id,
        message_id,
        segment,
        position,
        dt
    from {{ read_raw(source('raw', 'events')) }}

),

stored_events as {{ computed_anew() }} (

    select * from {{ ref('stg_events') }}

),

{% if is_incremental() %}
    landed_segments as (

        select distinct
            segment,
            dt
        from {{ read_raw(source('raw', 'events')) }}

    ),

    new_segments as (

        select landed_segments.*
        from landed_segments
        left join {{ this }} as counted
            on
                landed_segments.segment = counted.segment
                and landed_segments.dt = counted.dt
        where counted.segment is null

    ),

{% endif %}
arrivals as {{ computed_anew() }} (

    select landed.*
    from landed
    {% if is_incremental() %}
        inner join new_segments
            on
                landed.segment = new_segments.segment
                and landed.dt = new_segments.dt
    {% endif %}

),

-- Each arrival is the stored copy of its message, or another copy of it.
counted_arrivals as (

    select
        arrivals.segment,
        arrivals.dt,
        arrivals.source_id,
        count(*) as arrived_count,
        count(case
            when
                stored_events.segment <> arrivals.segment
                or stored_events.position <> arrivals.position
                then 1
        end) as duplicate_count,
        count(case when stored_events.message_id is null then 1 end) as missing_count
    from arrivals
    left join stored_events
        on
            arrivals.source_id = stored_events.source_id
            and arrivals.message_id = stored_events.message_id
    group by arrivals.segment, arrivals.dt, arrivals.source_id

),

incomplete_segments as (

    select distinct
        segment,
        dt
    from counted_arrivals
    where missing_count > 0

),

batches as (

    select coalesce(min(batch_id), 0) as first_batch_id
    from stored_events

)

-- A segment of which something is not stored yet is counted again by the next build.
select
    counted_arrivals.segment,
    counted_arrivals.dt,
    counted_arrivals.source_id,
    counted_arrivals.arrived_count,
    counted_arrivals.duplicate_count,
    batches.first_batch_id
from counted_arrivals
cross join batches
left join incomplete_segments
    on
        counted_arrivals.segment = incomplete_segments.segment
        and counted_arrivals.dt = incomplete_segments.dt
where incomplete_segments.segment is null
