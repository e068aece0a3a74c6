{{ config(
    materialized='incremental', incremental_strategy='append', full_refresh=false
) }}

with

profiles as (

    select * from {{ ref('profiles') }}

),

traits as (

    select * from {{ kept_traits('profiles') }} as traits

),

{% if is_incremental() %}
    changes as (

        select
            changes.*,
            row_number() over (
                partition by changes.profile_id, changes.trait
                order by changes.at desc
            ) as recency
        from {{ this }} as changes
        where changes.trait in {{ kept_trait_names() }}

    ),

    known as (

        select * from changes
        where recency = 1

    ),

{% else %}
    known as (

        select * from traits
        where 1 = 0

    ),

{% endif %}
compared as (

    select
        coalesce(traits.profile_id, known.profile_id) as profile_id,
        coalesce(traits.trait, known.trait) as trait,
        traits.value,
        known.value as previous_value
    from traits
    full outer join known
        on traits.profile_id = known.profile_id and traits.trait = known.trait

)

select
    profile_id,
    trait,
    value,
    {{ build_started_at() }} as at
from compared
where
    value <> previous_value
    or (value is null) <> (previous_value is null)
