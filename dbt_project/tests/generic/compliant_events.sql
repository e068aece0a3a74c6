{#- No event of an event model breaks a blocking rule of the tracking plan. -#}
{% test compliant_events(model) %}

    select event.*
    from {{ model }} as event
    inner join {{ ref('event_violations') }} as violations
        on
            event.source_id = violations.source_id
            and event.message_id = violations.message_id
            and violations.is_blocking

{% endtest %}
