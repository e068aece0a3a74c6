{%- set cap = var('maximum_identifiers') -%}
{%- set listed = 20 -%}
{%- set many_partners = 100 -%}

with

edges as (

    select * from {{ ref('int_identity_edges') }}

),

conflicts as (

    select * from {{ ref('identity_conflicts') }}

),

profile_identifiers as (

    select * from {{ ref('profile_identifiers') }}

),

ends as (

    select left_id as identifier_id
    from edges
    union all
    select right_id as identifier_id
    from edges

),

partners as (

    select
        identifier_id,
        count(*) as partner_count
    from ends
    group by identifier_id

),

conflict_ends as (

    select
        identifier_id,
        state
    from conflicts
    union all
    select
        other_identifier_id as identifier_id,
        state
    from conflicts

),

contested as (

    select
        identifier_id,
        sum(case when state = 'refused' then 1 else 0 end) as refused_count,
        sum(case when state = 'undecided' then 1 else 0 end) as undecided_count
    from conflict_ends
    group by identifier_id

),

profile_sizes as (

    select
        profile_id,
        count(*) as profile_identifier_count
    from profile_identifiers
    group by profile_id

),

connected as (

    select
        profile_identifiers.identifier_type,
        profile_identifiers.identifier_value,
        profile_identifiers.profile_id,
        profile_sizes.profile_identifier_count,
        partners.partner_count,
        coalesce(contested.refused_count, 0) as refused_count,
        coalesce(contested.undecided_count, 0) as undecided_count
    from partners
    inner join profile_identifiers
        on partners.identifier_id = profile_identifiers.identifier_id
    inner join profile_sizes
        on profile_identifiers.profile_id = profile_sizes.profile_id
    left join contested
        on partners.identifier_id = contested.identifier_id

),

usual as (

    select
        identifier_type,
        percentile_disc(0.5) within group (order by partner_count)
            as usual_partner_count
    from connected
    group by identifier_type

),

-- Most identifiers were seen with one other and nobody contests them: they are no
-- suspects, and come after all that are.
remarkable as (

    select * from connected
    where
        partner_count > 1
        or refused_count > 0
        or undecided_count > 0
        {% if cap is not none %}
            or profile_identifier_count >= {{ cap }}
        {% endif %}

),

ranked as (

    select
        remarkable.*,
        usual.usual_partner_count,
        row_number() over (
            partition by remarkable.identifier_type
            order by remarkable.partner_count desc, remarkable.identifier_value
        ) as place_of_type,
        row_number() over (
            partition by remarkable.profile_id
            order by
                remarkable.partner_count desc,
                remarkable.identifier_type,
                remarkable.identifier_value
        ) as place_of_profile,
        row_number() over (
            order by
                remarkable.refused_count desc,
                remarkable.identifier_type,
                remarkable.identifier_value
        ) as place_of_refused
    from remarkable
    inner join usual
        on remarkable.identifier_type = usual.identifier_type

),

-- A profile at the cap is told by the identifier that links most of it.
suspected as (

    select
        *,
        case
            when
                partner_count >= {{ many_partners }}
                and partner_count >= 20 * usual_partner_count
                then 'hard-coded'
            {% if cap is not none %}
                when profile_identifier_count >= {{ cap }} and place_of_profile = 1
                    then 'at the cap'
            {% endif %}
            when undecided_count > 0
                then 'undecided'
            when refused_count > 0 and place_of_refused <= {{ listed }}
                then 'contested'
            when partner_count > 1 and place_of_type <= {{ listed }}
                then 'most connected'
        end as suspicion
    from ranked

)

select
    suspicion,
    identifier_type,
    identifier_value,
    profile_id,
    partner_count,
    cast(refused_count as bigint) as refused_count,
    cast(undecided_count as bigint) as undecided_count,
    profile_identifier_count
from suspected
where suspicion is not null
