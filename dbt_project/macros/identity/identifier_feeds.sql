{#- Where identifiers come from: the events, and the tables of `identifier_tables`.

    Each feed is one relation with its places: one entry per place where an identifier
    may stand, strongest first, with the identifier it belongs to (`identifier`), the
    SQL expression of its normalised value (`value`), the column that holds the value
    from then on (`column`) and those of the places of the same type before it
    (`twins`). `documents` are the JSON columns that places read, each with the paths
    that are read of it. `key` is null where a row is no event. Of a feed that
    `has_batches`, new rows have a greater `batch_id` than all before. -#}
{% macro identifier_feeds() %}
    {%- set feeds = [{
        'name': 'events',
        'relation': ref('stg_events'),
        'source_id': 'feed.source_id',
        'key': 'feed.message_id',
        'message_id': 'feed.message_id',
        'received_at': 'feed.received_at',
        'documents': event_documents(),
        'has_batches': true,
        'places': event_places(),
    }] -%}
    {%- for table in var('identifier_tables') -%}
        {%- set name = table.model if 'model' in table else table.source | join('.') -%}
        {%- set key = 'cast(feed.' ~ table.key ~ ' as ' ~ dbt.type_string() ~ ')' -%}
        {%- do feeds.append({
            'name': 'table_' ~ loop.index,
            'relation': (
                ref(table.model) if 'model' in table
                else source(table.source[0], table.source[1])
            ),
            'source_id': string_literal('table:' ~ name) | trim,
            'key': key,
            'message_id': table_message_id(key, table.columns),
            'received_at': table_received_at(table.get('seen_at')),
            'documents': {},
            'has_batches': false,
            'places': table_places(table.columns),
        }) -%}
    {%- endfor -%}
    {{- return(feeds | selectattr('places') | list) -}}
{% endmacro %}


{#- An alias call names the visitor's former anonymous_id in previous_id, so that column
    is a second place of that type. -#}
{% macro event_places() %}
    {%- set documents = event_documents() -%}
    {%- set found = [] -%}
    {%- for identifier in identifier_types() -%}
        {%- set values = [] -%}
        {%- for path in identifier.paths -%}
            {%- do values.append(identifier_path(path, documents)) -%}
        {%- endfor -%}
        {%- if identifier.external_id -%}
            {%- do values.append(external_id(identifier.type)) -%}
        {%- endif -%}
        {%- if values -%}
            {%- set value = 'coalesce(' ~ values | join(', ') ~ ')' -%}
            {%- do found.append({
                'identifier': identifier,
                'raw': value_where(
                    value if values[1:] else values[0], identifier.when, documents
                ),
            }) -%}
        {%- endif -%}
        {%- if identifier.type == 'anonymous_id' -%}
            {%- do found.append({
                'identifier': identifier,
                'raw': "case when type = 'alias' then previous_id end",
            }) -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(numbered_places(found)) -}}
{% endmacro %}


{% macro table_places(columns) %}
    {%- set found = [] -%}
    {%- for identifier in identifier_types() -%}
        {%- for column in columns if column.type == identifier.type -%}
            {%- do found.append({
                'identifier': identifier,
                'raw': 'cast(' ~ column.column ~ ' as ' ~ dbt.type_string() ~ ')',
            }) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(numbered_places(found)) -}}
{% endmacro %}


{% macro numbered_places(found) %}
    {%- set places = [] -%}
    {%- for place in found -%}
        {%- set column = 'value_' ~ loop.index -%}
        {%- do places.append({
            'identifier': place.identifier,
            'value': normalized_identifier(place.raw, place.identifier.lower),
            'column': column,
            'id': 'id_' ~ loop.index,
            'twins': places
                | selectattr('identifier.type', 'equalto', place.identifier.type)
                | map(attribute='column') | list,
        }) -%}
    {%- endfor -%}
    {{- return(places) -}}
{% endmacro %}


{#- What counts of a place: no blocked value, and no value that an earlier place of the
    same type holds too. -#}
{% macro allowed_value(place) %}
    {%- set state = namespace(value=place.column) -%}
    {%- for twin in place.twins -%}
        {%- set state.value = 'nullif(' ~ state.value ~ ', ' ~ twin ~ ')' -%}
    {%- endfor -%}
    {{- return(
        'case when not (' ~ is_blocked_identifier(place.identifier, place.column)
        ~ ') then ' ~ state.value ~ ' end'
    ) -}}
{% endmacro %}


{#- The paths that the list reads of each JSON column: one reading serves them all. -#}
{% macro event_documents() %}
    {%- set documents = {} -%}
    {%- for identifier in identifier_types() -%}
        {%- for path in identifier.paths + identifier.when.keys() | list -%}
            {%- set keys = path.split('.') -%}
            {%- if keys | length > 1 -%}
                {%- set paths = documents.setdefault(keys[0], []) -%}
                {%- if keys[1:] not in paths -%}
                    {%- do paths.append(keys[1:]) -%}
                {%- endif -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(documents) -}}
{% endmacro %}


{#- The columns of a feed, and what is read of its documents. -#}
{% macro feed_columns(feed) %}
    {%- set columns = ['feed.*'] -%}
    {%- for document, paths in feed.documents.items() -%}
        {%- do columns.append(
            json_texts(document, paths) | trim ~ ' as ' ~ document ~ '_texts'
        ) -%}
    {%- endfor -%}
    {{- return(columns | join(', ')) -}}
{% endmacro %}


{#- The value at a path: a column of stg_events, or one of those read of a document. -#}
{% macro identifier_path(path, documents) %}
    {%- set keys = path.split('.') -%}
    {%- if keys | length == 1 -%}
        {{- return(path) -}}
    {%- endif -%}
    {{- return(list_item(
        keys[0] ~ '_texts', documents[keys[0]].index(keys[1:]) + 1
    ) | trim) -}}
{% endmacro %}


{#- The value where every path of `conditions` holds its text, else null. -#}
{% macro value_where(value, conditions, documents) %}
    {%- if not conditions -%}
        {{- return(value) -}}
    {%- endif -%}
    {%- set tests = [] -%}
    {%- for path, text in conditions.items() -%}
        {%- do tests.append(
            lowered(identifier_path(path, documents)) ~ ' = '
            ~ string_literal(text | string | lower) | trim
        ) -%}
    {%- endfor -%}
    {{- return('case when ' ~ tests | join(' and ') ~ ' then ' ~ value ~ ' end') -}}
{% endmacro %}


{#- What the client gave as context.externalIds: of persons, as it is. -#}
{% macro external_id(type) %}
    {{- return(json_element_text(
        'context',
        'externalIds',
        {'type': type, 'collection': 'users', 'encoding': 'none'},
        'id',
    ) | trim) -}}
{% endmacro %}


{#- A row without a time counts as older than any event. -#}
{% macro table_received_at(column) %}
    {%- set start = "cast('1970-01-01 00:00:00+00:00' as " ~ timestamp_type() ~ ")" -%}
    {%- if not column -%}
        {{- return(start) -}}
    {%- endif -%}
    {{- return(
        'coalesce(cast(' ~ column ~ ' as ' ~ timestamp_type() ~ '), ' ~ start ~ ')'
    ) -}}
{% endmacro %}


{#- A row of a table is one event, and a new one when it names other identifiers. They
    are compared as they stand: no value has to be taken to see that a row is known. -#}
{% macro table_message_id(key, columns) %}
    {%- set text = dbt.type_string() -%}
    {%- set values = [] -%}
    {%- for column in columns -%}
        {%- set value = 'cast(feed.' ~ column.column ~ ' as ' ~ text ~ ')' -%}
        {%- do values.append(
            'coalesce(cast(length(' ~ value ~ ') as ' ~ text ~ ") || ':' || " ~ value
            ~ ", '')"
        ) -%}
    {%- endfor -%}
    {{- return(
        key ~ " || ':' || substr(md5(" ~ values | join(" || ',' || ") ~ '), 1, 16)'
    ) -}}
{% endmacro %}
