{{ config(materialized='view') }}

with

model_costs as (

    select * from {{ ref('model_costs') }}

),

audience_sizes as (

    select * from {{ ref('audience_sizes') }}

),

-- A model of conditions works for all audiences that read it, so each has its share.
shared as (

    select
        shared_models.audience,
        model_costs.target,
        sum(model_costs.last_seconds / shared_models.reader_count) as shared_seconds
    from {{ shared_models_of_audiences() }} as shared_models
    inner join model_costs on shared_models.model = model_costs.model
    group by shared_models.audience, model_costs.target

)

select
    audience_sizes.audience,
    model_costs.target,
    audience_sizes.member_count,
    model_costs.build_count,
    model_costs.last_built_at,
    model_costs.last_seconds as own_seconds,
    coalesce(shared.shared_seconds, 0) as shared_seconds,
    model_costs.last_seconds + coalesce(shared.shared_seconds, 0) as seconds
from audience_sizes
inner join model_costs on audience_sizes.audience = model_costs.model
left join shared
    on
        model_costs.model = shared.audience
        and model_costs.target = shared.target
where audience_sizes.is_current
