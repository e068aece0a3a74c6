with

capped as (

    {% for cap in frequency_cap_entries() %}
        {% for sync in cap.get('syncs', []) %}
            select
                {{ string_literal(cap.cap) }} as cap,
                {{ string_literal(sync) }} as sync,
                {{ string_literal(key_of_sync(sync)) }} as key_type,
                {{ cap.limit }} as contact_limit,
                {{ cap.within_days }} as within_days

            union all

        {% endfor %}
    {% endfor %}
    select
        cast(null as {{ dbt.type_string() }}) as cap,
        cast(null as {{ dbt.type_string() }}) as sync,
        cast(null as {{ dbt.type_string() }}) as key_type,
        0 as contact_limit,
        0 as within_days
    where 1 = 0

)

select * from capped
