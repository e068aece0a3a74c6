{%- set columns = ['properties', 'traits', 'context', 'integrations', 'extra'] -%}

with

stored_events as (

    select * from {{ ref('renamed_events') }}

),

enforcement as (

    select * from {{ ref('event_enforcement') }}

),

affected as (

    select
        stored_events.*,
        enforcement.omitted_properties
    from stored_events
    inner join enforcement
        on
            stored_events.source_id = enforcement.source_id
            and stored_events.message_id = enforcement.message_id
            and enforcement.decision = 'omitted'

),

-- One row per document, so that the way to take something out stands here once.
documents as (

    {% for column in columns %}
        select
            source_id,
            message_id,
            '{{ column }}' as document_name,
            {{ column }} as body,
            omitted_properties
        from affected
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

),

emptied as (

    select
        source_id,
        message_id,
        document_name,
        {{
            json_without('body', paths_below('omitted_properties', 'document_name'))
        }} as body
    from documents

)

select
    source_id,
    message_id,
    max(case when document_name = 'properties' then body end) as properties,
    max(case when document_name = 'traits' then body end) as traits,
    max(case when document_name = 'context' then body end) as context,
    max(case when document_name = 'integrations' then body end) as integrations,
    max(case when document_name = 'extra' then body end) as extra
from emptied
group by source_id, message_id
