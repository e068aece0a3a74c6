with

changes as (

    select * from {{ ref('audience_changes') }}

)

select
    changes.audience,
    changes.profile_id,
    max(changes.at) as entered_at
from changes
where changes.audience in {{ audience_names() }}
group by changes.audience, changes.profile_id
having {{ is_audience_member() }}
