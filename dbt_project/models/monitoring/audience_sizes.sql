{{ config(materialized='view') }}

with

memberships as (

    select * from {{ ref('audience_memberships') }}

)

select
    audience,
    count(*) as member_count,
    min(entered_at) as first_entered_at,
    max(entered_at) as last_entered_at
from memberships
group by audience
