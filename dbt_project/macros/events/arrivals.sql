{#- A pre-hook of arrival_counts: which copy of a message is stored may be another when
    stg_events was made anew, so nothing counted before stays. -#}
{% macro forget_counts_of_other_events() %}
    {%- set stored_events = ref('stg_events') -%}
    {%- if execute and is_incremental() -%}
        {{- return(deletion_of_rows(
            this,
            'first_batch_id <> (select coalesce(min(batch_id), 0) from '
            ~ stored_events ~ ')'
        )) -}}
    {%- endif -%}
{% endmacro %}
