{%- set key_types = [] -%}
{%- for cap in frequency_cap_entries() -%}
    {%- for sync in cap.get('syncs', []) -%}
        {%- do key_types.append(string_literal(key_of_sync(sync))) -%}
    {%- endfor -%}
{%- endfor -%}

with

profile_identifiers as (

    select * from {{ ref('profile_identifiers') }}

),

-- A profile_id of the log may be of one that was merged since.
known_by as (

    select
        identifier_type,
        identifier_value,
        profile_id
    from profile_identifiers

    union all

    select
        'profile_id' as identifier_type,
        {{ profile_id('identifier_type', 'identifier_value') }} as identifier_value,
        profile_id
    from profile_identifiers

)

select
    identifier_type as key_type,
    identifier_value as key,
    profile_id
from known_by
{% if key_types %}
    where identifier_type in ({{ key_types | unique | join(', ') }})
{% else %}
    where 1 = 0
{% endif %}
