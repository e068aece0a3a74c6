{#- Stops with every mistake in the vars of identity at once. -#}
{% macro check_identifiers() %}
    {%- set problems = identifier_problems() -%}
    {%- do problems.extend(identifier_table_problems()) -%}
    {%- for name in ['blocked_identifiers', 'identifier_tables'] -%}
        {%- if not is_list(var(name)) -%}
            {%- do problems.append(name ~ ': this is a list; [] for none.') -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set pattern = var('blocked_identifier_pattern') -%}
    {%- if pattern is not none and not is_pattern(pattern) -%}
        {%- do problems.append(
            'blocked_identifier_pattern: this is a regular expression; null for none.'
        ) -%}
    {%- endif -%}
    {%- set maximum = var('maximum_identifiers') -%}
    {%- if maximum is not none and not is_count(maximum) -%}
        {%- do problems.append(
            'maximum_identifiers: this is a whole number from 1 on; null for no cap.'
        ) -%}
    {%- endif -%}
    {%- if var('matching').get('enabled') and target.type != 'duckdb' -%}
        {%- do problems.append(
            'matching: profiles are matched on DuckDB only. Set enabled to false for the '
            ~ 'target ' ~ target.name ~ '.'
        ) -%}
    {%- endif -%}
    {%- if problems -%}
        {%- do exceptions.raise_compiler_error(
            'dbt_project.yml, vars:\n  ' ~ problems | join('\n  ')
        ) -%}
    {%- endif -%}
{% endmacro %}


{% macro identifier_problems() %}
    {%- set known = [
        'type', 'paths', 'when', 'external_id', 'lower', 'limit', 'limit_window',
        'blocked', 'blocked_pattern'
    ] -%}
    {%- set problems = [] -%}
    {%- set types = [] -%}
    {%- if not is_list(var('identifiers')) or not var('identifiers') -%}
        {{- return(['identifiers: this is a list; name at least one identifier.']) -}}
    {%- endif -%}
    {%- for identifier in var('identifiers') -%}
        {%- set told = [] -%}
        {%- if identifier is not mapping -%}
            {%- set told = ['an entry is {type: …, paths: […]}.'] -%}
            {%- set type = identifier | string -%}
        {%- else -%}
            {%- set type = identifier.get('type') | string -%}
            {%- do told.extend(unknown_keys(identifier, known)) -%}
            {%- if not modules.re.match('^[a-z][a-z0-9_]*$', type) -%}
                {%- do told.append(
                    '`type` is a name of lower-case letters, digits and _.'
                ) -%}
            {%- elif type in types -%}
                {%- do told.append(
                    'this type stands twice. Put all its places into `paths`.'
                ) -%}
            {%- endif -%}
            {%- do told.extend(place_problems(identifier)) -%}
            {%- do told.extend(limit_problems(identifier)) -%}
            {%- do told.extend(block_problems(identifier)) -%}
        {%- endif -%}
        {%- do types.append(type) -%}
        {%- set name = 'identifiers: entry ' ~ loop.index ~ ' (' ~ type ~ '): ' -%}
        {%- for problem in told -%}
            {%- do problems.append(name ~ problem) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(problems) -}}
{% endmacro %}


{#- Where an identifier stands, and how it is read. A type that only tables hold needs no
    place in the events. -#}
{% macro place_problems(identifier) %}
    {%- set problems = [] -%}
    {%- set paths = identifier.get('paths') -%}
    {%- set elsewhere = (
        identifier.get('external_id') or identifier.get('type') in types_of_tables()
    ) -%}
    {%- if paths is none and elsewhere -%}
    {%- elif not is_list(paths) or not paths -%}
        {%- do problems.append('`paths` is a list of places, e.g. [traits.email].') -%}
    {%- else -%}
        {%- for path in paths if not is_event_path(path) -%}
            {%- do problems.append(wrong_path(path)) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- set when = identifier.get('when') -%}
    {%- if when is not none -%}
        {%- if when is not mapping or not when -%}
            {%- do problems.append(
                '`when` names what an event must hold, e.g. {context.device.type: ios}.'
            ) -%}
        {%- else -%}
            {%- for path in when if not is_event_path(path) -%}
                {%- do problems.append(wrong_path(path)) -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endif -%}
    {%- for key in ['lower', 'external_id'] -%}
        {%- if identifier.get(key, false) is not boolean -%}
            {%- do problems.append('`' ~ key ~ '` is true or false.') -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(problems) -}}
{% endmacro %}


{% macro limit_problems(identifier) %}
    {%- set windows = ['ever', 'daily', 'weekly', 'monthly', 'annually'] -%}
    {%- set problems = [] -%}
    {%- set limit = identifier.get('limit') -%}
    {%- if limit is not none and not is_count(limit) -%}
        {%- do problems.append(
            '`limit` is a whole number from 1 on; without it, no limit.'
        ) -%}
    {%- endif -%}
    {%- if 'limit_window' in identifier -%}
        {%- if identifier.limit_window not in windows -%}
            {%- do problems.append('`limit_window` is one of ' ~ windows | join(', ') ~ '.') -%}
        {%- elif limit is none -%}
            {%- do problems.append('`limit_window` goes with a `limit`.') -%}
        {%- endif -%}
    {%- endif -%}
    {{- return(problems) -}}
{% endmacro %}


{% macro block_problems(identifier) %}
    {%- set problems = [] -%}
    {%- if not is_list(identifier.get('blocked', [])) -%}
        {%- do problems.append('`blocked` is a list of values.') -%}
    {%- endif -%}
    {%- set pattern = identifier.get('blocked_pattern') -%}
    {%- if pattern is not none and not is_pattern(pattern) -%}
        {%- do problems.append('`blocked_pattern` is a regular expression.') -%}
    {%- endif -%}
    {{- return(problems) -}}
{% endmacro %}


{% macro unknown_keys(entry, known) %}
    {%- set problems = [] -%}
    {%- for key in entry if key not in known -%}
        {%- do problems.append(
            "unknown key '" ~ key ~ "'. Keys: " ~ known | join(', ') ~ '.'
        ) -%}
    {%- endfor -%}
    {{- return(problems) -}}
{% endmacro %}


{#- A column of stg_events, or a path inside one of its JSON columns. -#}
{% macro is_event_path(path) %}
    {%- set documents = [
        'properties', 'traits', 'context', 'integrations', 'extra'
    ] -%}
    {%- if path is not string -%}
        {{- return(false) -}}
    {%- endif -%}
    {%- set keys = path.split('.') -%}
    {%- if keys | length == 1 -%}
        {{- return(
            modules.re.match('^[a-z][a-z_]*$', path) is not none
            and path not in documents
        ) -}}
    {%- endif -%}
    {{- return(
        keys[0] in documents and '' not in keys and '"' not in path
    ) -}}
{% endmacro %}


{% macro wrong_path(path) %}
    {{- return(
        "'" ~ path ~ "' is no place in an event. Places: a column of stg_events, e.g. "
        ~ 'user_id, or a path inside properties, traits, context, integrations or extra, '
        ~ 'e.g. traits.email.'
    ) -}}
{% endmacro %}


{% macro is_list(value) %}
    {{- return(
        value is sequence and value is not string and value is not mapping
    ) -}}
{% endmacro %}


{% macro is_count(value) %}
    {{- return(value is integer and value is not boolean and value >= 1) -}}
{% endmacro %}


{% macro is_pattern(value) %}
    {{- return(value is string and value | length > 0) -}}
{% endmacro %}
