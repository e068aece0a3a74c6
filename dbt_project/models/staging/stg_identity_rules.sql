with

source as (

    select * from {{ read_raw(source('raw', 'identity_rules')) }}

),

normalized as (

    select
        rule_id,
        action,
        left_type,
        {{ normalized_by_type('left_type', 'left_value') }} as left_value,
        right_type,
        {{ normalized_by_type('right_type', 'right_value') }} as right_value,
        reason,
        created_by,
        created_at
    from source

),

-- A pair is the same whichever of the two is named first.
paired as (

    select
        *,
        left_type || ':' || left_value as left_name,
        right_type || ':' || right_value as right_name
    from normalized

),

keyed as (

    select
        *,
        substr(
            md5(
                md5(least(left_name, right_name))
                || md5(greatest(left_name, right_name))
            ),
            1,
            16
        ) as pair_key
    from paired

),

ranked as (

    select
        *,
        row_number() over (
            partition by pair_key order by created_at desc, rule_id desc
        ) as place
    from keyed

)

-- Of what was said about a pair, the last counts; a withdrawal leaves nothing.
select
    pair_key,
    action,
    left_type,
    left_value,
    {{ identifier_id('left_type', 'left_value') }} as left_id,
    right_type,
    right_value,
    {{ identifier_id('right_type', 'right_value') }} as right_id,
    reason,
    created_by,
    created_at,
    rule_id
from ranked
where
    place = 1
    and action <> 'withdraw'
