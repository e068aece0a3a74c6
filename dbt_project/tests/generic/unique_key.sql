{#- No two rows share their values in all of `columns`. -#}
{% test unique_key(model, columns) %}

    select
        {{ quoted_names(columns) | join(', ') }},
        count(*) as row_count
    from {{ model }}
    group by {{ quoted_names(columns) | join(', ') }}
    having count(*) > 1

{% endtest %}
