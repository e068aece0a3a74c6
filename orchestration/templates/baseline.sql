{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        full_refresh=false,
    )
}}

with

members as (

    select * from {{ ref('$name') }}

),

profiles as (

    select * from {{ ref('profiles') }}

)

select
    profiles.profile_id,
$columns
    {{ build_started_at() }} as kept_at
from members
inner join profiles on members.profile_id = profiles.profile_id
{% if is_incremental() %}
    -- What the first build kept stays as it is.
    where 1 = 0
{% endif %}
