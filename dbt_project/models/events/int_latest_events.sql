{%- set latest = latest_batch() -%}

with

flowing_events as (

    select * from {{ ref('flowing_events') }}

)

-- All columns of `events`, whatever they are: event models read this in its place. They
-- ask event_profiles whose events these are, and only for what is new there.
select
    flowing_events.*, -- noqa: AM04
    cast(null as {{ dbt.type_string() }}) as profile_id
from flowing_events
where batch_id = {{ latest }}
