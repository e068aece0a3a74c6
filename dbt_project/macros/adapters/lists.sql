{#- Aggregates text to a list: each value once, sorted, without nulls; never null. -#}
{%- macro collected_texts(expression) -%}
    {{ adapter.dispatch('collected_texts')(expression) }}
{%- endmacro -%}

{%- macro duckdb__collected_texts(expression) -%}
    coalesce(
        list_sort(list(distinct {{ expression }}) filter ({{ expression }} is not null)),
        cast([] as varchar[])
    )
{%- endmacro -%}

{%- macro spark__collected_texts(expression) -%}
    array_sort(collect_set({{ expression }}))
{%- endmacro -%}


{#- Aggregates lists of text to one: each value once, sorted. -#}
{%- macro texts_of_lists(list) -%}
    {{ adapter.dispatch('texts_of_lists')(list) }}
{%- endmacro -%}

{%- macro duckdb__texts_of_lists(list) -%}
    list_sort(list_distinct(flatten(list({{ list }}))))
{%- endmacro -%}

{%- macro spark__texts_of_lists(list) -%}
    array_sort(array_distinct(flatten(collect_list({{ list }}))))
{%- endmacro -%}


{#- A list of text as one text. -#}
{%- macro joined_texts(list, separator=', ') -%}
    {{ adapter.dispatch('joined_texts')(list, separator) }}
{%- endmacro -%}

{%- macro duckdb__joined_texts(list, separator) -%}
    array_to_string({{ list }}, {{ string_literal(separator) }})
{%- endmacro -%}

{%- macro spark__joined_texts(list, separator) -%}
    array_join({{ list }}, {{ string_literal(separator) }})
{%- endmacro -%}


{#- The element at a place; 1 is the first. Null where there is none. -#}
{%- macro list_item(list, place) -%}
    {{ adapter.dispatch('list_item')(list, place) }}
{%- endmacro -%}

{%- macro duckdb__list_item(list, place) -%}
    {{ list }}[{{ place }}]
{%- endmacro -%}

{%- macro spark__list_item(list, place) -%}
    try_element_at({{ list }}, {{ place }})
{%- endmacro -%}


{%- macro list_length(list) -%}
    {{ adapter.dispatch('list_length')(list) }}
{%- endmacro -%}

{%- macro duckdb__list_length(list) -%}
    len({{ list }})
{%- endmacro -%}

{%- macro spark__list_length(list) -%}
    array_size({{ list }})
{%- endmacro -%}


{#- Of a list of paths those below `root`, without it: of 'context.page' and 'traits.age'
    below 'context' only 'page'. -#}
{%- macro paths_below(list, root) -%}
    {{ adapter.dispatch('paths_below')(list, root) }}
{%- endmacro -%}

{%- macro duckdb__paths_below(list, root) -%}
    list_transform(
        list_filter({{ list }}, lambda path: starts_with(path, {{ root }} || '.')),
        lambda path: substr(path, length({{ root }}) + 2)
    )
{%- endmacro -%}

{%- macro spark__paths_below(list, root) -%}
    transform(
        filter({{ list }}, path -> startswith(path, {{ root }} || '.')),
        path -> substr(path, length({{ root }}) + 2)
    )
{%- endmacro -%}
