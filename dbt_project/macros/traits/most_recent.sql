{#-
    The value of the latest row that has one. `recency` numbers the rows of a group from
    old to new, so that the answer does not depend on the order of rows with equal times.
-#}
{%- macro most_recent(column, recency) -%}
    max_by({{ column }}, case when {{ column }} is not null then {{ recency }} end)
{%- endmacro -%}
