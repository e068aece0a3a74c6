with

members as (

    {% for entry in priority_list_entries() %}
        select
            {{ string_literal(entry.priority_list) }} as priority_list,
            {{ string_literal(entry.audience) }} as audience,
            {{ entry.place }} as place,
            profile_id
        from {{ ref(entry.audience) }}

        union all

    {% endfor %}
    select
        cast(null as {{ dbt.type_string() }}) as priority_list,
        cast(null as {{ dbt.type_string() }}) as audience,
        0 as place,
        cast(null as {{ dbt.type_string() }}) as profile_id
    where 1 = 0

),

ranked as (

    select
        *,
        row_number() over (
            partition by priority_list, profile_id
            order by place
        ) as choice
    from members

)

select
    priority_list,
    profile_id,
    audience,
    place
from ranked
where choice = 1
