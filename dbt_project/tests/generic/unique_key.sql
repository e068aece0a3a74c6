{#- No two rows share their values in all of `columns`.

    Grouping by a number takes two thirds of the time that grouping by texts does, and less
    memory; only rows that share it, as a rule none, are compared by all their values. -#}
{% test unique_key(model, columns) %}

    {%- set names = quoted_names(columns) %}
    select
        {{ names | join(', ') }},
        count(*) as row_count
    from {{ model }}
    where {{ quick_hash(names) }} in (
        select {{ quick_hash(names) }}
        from {{ model }}
        group by {{ quick_hash(names) }}
        having count(*) > 1
    )
    group by {{ names | join(', ') }}
    having count(*) > 1

{% endtest %}
