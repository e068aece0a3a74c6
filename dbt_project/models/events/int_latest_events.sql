{%- set latest = latest_batch() -%}

with

events as (

    select * from {{ ref('events') }}

)

-- All columns, whatever they are: event models read this in place of `events`.
select * -- noqa: AM04
from events
where batch_id = {{ latest }}
