with

events as (

    select * from {{ ref('events') }}

)

select
    profile_id,
    count(*) as ${name}_event_count
from events
where profile_id is not null
group by profile_id
