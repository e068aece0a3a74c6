{#- Stops with every mistake in `vars: identifiers` at once. -#}
{% macro check_identifiers() %}
    {%- set known = ['type', 'paths', 'limit', 'lower'] -%}
    {%- set problems = [] -%}
    {%- set types = [] -%}
    {%- for identifier in var('identifiers') -%}
        {%- set name = 'entry ' ~ loop.index ~ ' (' ~ identifier.get('type') ~ ')' -%}
        {%- for key in identifier if key not in known -%}
            {%- do problems.append(
                name ~ ": unknown key '" ~ key ~ "'. Keys: " ~ known | join(', ') ~ '.'
            ) -%}
        {%- endfor -%}
        {%- set type = identifier.get('type') | string -%}
        {%- if not modules.re.match('^[a-z][a-z0-9_]*$', type) -%}
            {%- do problems.append(
                name ~ ': `type` is a name of lower-case letters, digits and _.'
            ) -%}
        {%- elif type in types -%}
            {%- do problems.append(
                name ~ ': this type stands twice. Put all its places into `paths`.'
            ) -%}
        {%- endif -%}
        {%- do types.append(type) -%}
        {%- set paths = identifier.get('paths') -%}
        {%- if paths is string or not paths -%}
            {%- do problems.append(
                name ~ ': `paths` is a list of places, e.g. [traits.email].'
            ) -%}
        {%- endif -%}
        {%- set limit = identifier.get('limit') -%}
        {%- if limit is not none and (limit is not integer or limit < 1) -%}
            {%- do problems.append(
                name ~ ': `limit` is a whole number from 1 on; without it, no limit.'
            ) -%}
        {%- endif -%}
        {%- if identifier.get('lower', false) is not boolean -%}
            {%- do problems.append(name ~ ': `lower` is true or false.') -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if not types -%}
        {%- do problems.append('the list is empty; name at least one identifier.') -%}
    {%- endif -%}
    {%- if problems -%}
        {%- do exceptions.raise_compiler_error(
            'dbt_project.yml, vars: identifiers:\n  ' ~ problems | join('\n  ')
        ) -%}
    {%- endif -%}
{% endmacro %}
