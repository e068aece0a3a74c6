{#- The members of the audience that is being built who have no place in its split yet,
    as rows of audience_placements.

    Each takes the next turn of its stratum. Of those who come together a hash of salt and
    profile tells the order, so that it has nothing to do with who they are. Who was placed
    under a former name, before profiles became one, keeps that turn. -#}
{%- macro new_placements(compared, placements) -%}
    {%- set salt = salt_of_audience(model) -%}
    with

    placed as (

        select
            profile_id,
            stratum,
            turn,
            placed_at
        from {{ placements }}
        where
            audience = {{ string_literal(this.identifier) }}
            and salt = {{ string_literal(salt) }}

    ),

    unplaced as (

        select compared.profile_id
        from {{ compared }} as compared
        left join placed on compared.profile_id = placed.profile_id
        where compared.is_selected and placed.profile_id is null

    ),

    names as (

        select
            unplaced.profile_id,
            {{ profile_id('identifiers.identifier_type', 'identifiers.identifier_value') }}
                as former_id
        from unplaced
        inner join {{ ref('profile_identifiers') }} as identifiers
            on unplaced.profile_id = identifiers.profile_id

    ),

    renamed as (

        select
            names.profile_id,
            placed.stratum,
            placed.turn,
            row_number() over (
                partition by names.profile_id
                order by placed.placed_at, names.former_id
            ) as choice
        from names
        inner join placed on names.former_id = placed.profile_id

    ),

    drawn as (

        select
            unplaced.profile_id,
            {{ stratum_of('profiles', strata_of_audience(model)) }} as stratum,
            {{ bigint_hash(string_literal(salt ~ ':') ~ ' || unplaced.profile_id') }} as draw
        from unplaced
        left join {{ ref('profiles') }} as profiles
            on unplaced.profile_id = profiles.profile_id
        left join renamed on unplaced.profile_id = renamed.profile_id
        where renamed.profile_id is null

    ),

    last_turns as (

        select
            stratum,
            max(turn) as turn
        from placed
        group by stratum

    ),

    turns as (

        select
            drawn.profile_id,
            drawn.stratum,
            coalesce(last_turns.turn, 0) + row_number() over (
                partition by drawn.stratum
                order by drawn.draw, drawn.profile_id
            ) as turn
        from drawn
        left join last_turns on drawn.stratum = last_turns.stratum

        union all

        select
            profile_id,
            stratum,
            turn
        from renamed
        where choice = 1

    )

    select
        {{ string_literal(this.identifier) }} as audience,
        {{ string_literal(salt) }} as salt,
        profile_id,
        stratum,
        turn,
        {{ build_started_at() }} as placed_at
    from turns
{%- endmacro -%}


{#- The values of some traits as one text; what has no value is like an empty text. A
    bar inside a value is doubled, so that no two lists of values give the same text. -#}
{%- macro stratum_of(relation, strata) -%}
    {%- set values = [] -%}
    {%- for trait in strata -%}
        {%- do values.append(
            'replace(coalesce(cast(' ~ relation ~ '.' ~ adapter.quote(trait) ~ ' as '
            ~ dbt.type_string() ~ "), ''), '|', '||')"
        ) -%}
    {%- endfor -%}
    {{- return("concat_ws(' | ', " ~ values | join(', ') ~ ')') -}}
{%- endmacro -%}


{#- The place from 0 to 999,999 of a turn in its stratum. Places of turns that follow each
    other spread out so that any range of places gets its share of any number of turns
    within a few: 723,771 over 1,000,000 is the fraction whose continued fraction has
    the smallest terms (none above 2), which is what makes it even. Each stratum begins
    somewhere else, so that of many small ones no group gets the first of all. -#}
{%- macro place_of_turn(salt, stratum, turn) -%}
    {{- return(
        'mod(' ~ place_in_million(salt, stratum) ~ ' + ' ~ turn ~ ' * 723771, 1000000)'
    ) -}}
{%- endmacro -%}
