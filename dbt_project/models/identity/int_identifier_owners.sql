{{
    config(
        materialized='incremental',
        incremental_strategy='append',
        pre_hook=delete_rows_of_other_clusters(),
    )
}}

-- depends_on: {{ ref('int_identity_clusters') }}

with

profile_identifiers as (

    select * from {{ ref('profile_identifiers') }}

)

{% if is_incremental() %}
    ,

    known as (

        select * from {{ this }}

    ),

    touched as (

        select * from profile_identifiers
        where batch_id > (select coalesce(max(batch_id), 0) from known)

    ),

    owners as (

        select
            known.identifier_id,
            known.profile_id,
            row_number() over (
                partition by known.identifier_id order by known.batch_id desc
            ) as recency
        from known
        inner join touched
            on known.identifier_id = touched.identifier_id

    )

    select
        touched.identifier_id,
        touched.profile_id,
        touched.batch_id,
        touched.rules_version
    from touched
    left join owners
        on touched.identifier_id = owners.identifier_id and owners.recency = 1
    where owners.profile_id is null or owners.profile_id <> touched.profile_id
{% else %}
    select
        identifier_id,
        profile_id,
        batch_id,
        rules_version
    from profile_identifiers
{% endif %}
