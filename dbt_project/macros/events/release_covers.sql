{#-
    Whether a release (a row of stg_quarantine_releases) is of something held back. It
    covers what was received before it was given: what comes later is held back again
    until the plan is mended. `ids` are the names that one thing goes by.
-#}
{%- macro release_covers(release, code, event, source_id, received_at, ids) -%}
    (
        {{ received_at }} <= {{ release }}.released_at
        and ({{ release }}.code is null or {{ release }}.code = {{ code }})
        and ({{ release }}.event is null or {{ release }}.event = {{ event }})
        and ({{ release }}.source_id is null or {{ release }}.source_id = {{ source_id }})
        and ({{ release }}.since is null or {{ release }}.since <= {{ received_at }})
        and (
            {{ release }}.ids is null
            {%- for id in ids %}
            or {{ list_contains(release ~ '.ids', id) }}
            {%- endfor %}
        )
    )
{%- endmacro -%}
