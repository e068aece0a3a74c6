{{ config(materialized='view') }}

with

identifiers as (

    select * from {{ ref('int_identifiers') }}

),

splits as (

    select * from {{ ref('stg_identity_rules') }}
    where action = 'exclude'

),

split_ends as (

    select
        left_id as node_id,
        pair_key
    from splits
    union
    select
        right_id as node_id,
        pair_key
    from splits

)

select
    identifier_id as node_id,
    {{ limit_key('identifier_type', 'first_seen_at') }} as limit_key,
    {{ limit_of_identifier('identifier_type') }} as limit_value,
    {{ limit_batch_id('identifier_type', 'age_batch_id') }} as batch_id
from identifiers
where {{ limit_of_identifier('identifier_type') }} is not null

union all

-- What a person keeps apart came with no batch of data.
select
    node_id,
    'split ' || pair_key as limit_key,
    cast(1 as bigint) as limit_value,
    cast(null as bigint) as batch_id
from split_ends
