{#- Notes how old the inputs of the audience are that say `config.meta.freshness`, and
    returns whether one is too old: then the audience is held. Warns of what is late. -#}
{%- macro is_audience_held() -%}
    {%- set inputs = inputs_of_audience(model) -%}
    {%- if not inputs -%}
        {{- return(false) -}}
    {%- endif -%}
    {%- set selects = [] -%}
    {%- for input in inputs -%}
        {%- do selects.append(freshness_of_input(input)) -%}
    {%- endfor -%}
    {%- set text = dbt.type_string() -%}
    {%- set found = run_query(
        'select found.input, cast(found.as_of as ' ~ text ~ ') as as_of, '
        ~ 'found.warn_after, found.hold_after, found.state, told.input is not null '
        ~ "and coalesce(cast(told.as_of as " ~ text ~ "), '') = "
        ~ "coalesce(cast(found.as_of as " ~ text ~ "), '') "
        ~ "and coalesce(told.warn_after, '') = coalesce(found.warn_after, '') "
        ~ "and coalesce(told.hold_after, '') = coalesce(found.hold_after, '') "
        ~ 'and told.state = found.state as is_told from ('
        ~ selects | join(' union all ') ~ ') as found left join '
        ~ ref('audience_freshness') ~ ' as told on told.audience = '
        ~ string_literal(this.identifier) ~ ' and found.input = told.input '
        ~ 'order by found.input'
    ).rows -%}
    {%- if found | rejectattr('is_told') | list -%}
        {%- do replace_rows(
            ref('audience_freshness'),
            [{
                'columns': ['audience'], 'keys': ['audience'],
                'of': '(select ' ~ string_literal(this.identifier) ~ ' as audience)',
            }],
            '(' ~ freshness_rows(found) ~ ')',
            ['audience', 'input', 'at', 'as_of', 'warn_after', 'hold_after', 'state'],
        ) -%}
    {%- endif -%}
    {%- set held = [] -%}
    {%- for row in found if row['state'] != 'fresh' -%}
        {%- set is_held = row['state'] == 'held' -%}
        {%- if is_held -%}{%- do held.append(row['input']) -%}{%- endif -%}
        {%- do exceptions.warn(
            this.identifier ~ (' is held: ' if is_held else ': ') ~ row['input']
            ~ (' is empty' if row['as_of'] is none else ' is as of ' ~ row['as_of'])
            ~ ', and may be ' ~ (row['hold_after'] if is_held else row['warn_after'])
            ~ ' old' ~ ('; the members stay as they are' if is_held else '')
        ) -%}
    {%- endfor -%}
    {{- return(held | length > 0) -}}
{%- endmacro -%}


{#- The models with a freshness from which an audience is made, however far above. -#}
{%- macro inputs_of_audience(model) -%}
    {%- set inputs = [] -%}
    {%- set above = [] -%}
    {%- do above.extend(model.depends_on.nodes) -%}
    {#- The list grows while it is gone through. -#}
    {%- for unique_id in above if unique_id in graph.nodes -%}
        {%- set node = graph.nodes[unique_id] -%}
        {%- if 'freshness' in node.config.get('meta', {}) -%}
            {%- do inputs.append(node) -%}
        {%- endif -%}
        {%- for parent in node.depends_on.nodes if parent not in above -%}
            {%- do above.append(parent) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(inputs) -}}
{%- endmacro -%}


{#- A select of one row: how old an input of this audience is. -#}
{%- macro freshness_of_input(input) -%}
    {%- set settings = input.config.meta.freshness -%}
    {%- do check_freshness(input, settings) -%}
    {%- set node = input -%}
    {%- set column = settings.get('as_of') -%}
    {#- An event that is rare is not late: what counts is when anything came last. -#}
    {%- if input.fqn[1] == 'events' -%}
        {%- set node = graph.nodes[input.unique_id.rsplit('.', 1)[0] ~ '.stg_events'] -%}
        {%- set column = 'received_at' -%}
    {%- endif -%}
    {%- set relation = api.Relation.create(
        database=node.database, schema=node.schema, identifier=node.alias
    ) -%}
    {%- set states = [] -%}
    {%- for key, state in [('hold_after', 'held'), ('warn_after', 'stale')]
        if key in settings -%}
        {%- do states.append(
            "when as_of is null then '" ~ state ~ "' when "
            ~ seconds_between('as_of', build_started_at()) ~ ' > '
            ~ seconds_of_length(settings[key]) ~ " then '" ~ state ~ "'"
        ) -%}
    {%- endfor -%}
    {%- set state = 'case ' ~ states | join(' ') ~ " else 'fresh' end" if states
        else "'fresh'" -%}
    {{- return(
        'select ' ~ string_literal(input.name) ~ ' as input, as_of, '
        ~ text_or_null(settings.get('warn_after')) ~ ' as warn_after, '
        ~ text_or_null(settings.get('hold_after')) ~ ' as hold_after, '
        ~ state ~ ' as state from (select cast(max(' ~ adapter.quote(column)
        ~ ') as ' ~ timestamp_type() ~ ') as as_of from ' ~ relation ~ ') as latest'
    ) -}}
{%- endmacro -%}


{#- What was found of the inputs, as rows of audience_freshness. -#}
{%- macro freshness_rows(found) -%}
    {%- set selects = [] -%}
    {%- for row in found -%}
        {%- do selects.append(
            'select ' ~ string_literal(this.identifier) ~ ' as audience, '
            ~ string_literal(row['input']) ~ ' as input, ' ~ build_started_at() ~ ' as '
            ~ adapter.quote('at') ~ ', cast(' ~ text_or_null(row['as_of']) ~ ' as '
            ~ timestamp_type() ~ ') as as_of, ' ~ text_or_null(row['warn_after'])
            ~ ' as warn_after, ' ~ text_or_null(row['hold_after']) ~ ' as hold_after, '
            ~ string_literal(row['state']) ~ ' as state'
        ) -%}
    {%- endfor -%}
    {{- return(selects | join(' union all ')) -}}
{%- endmacro -%}


{%- macro text_or_null(value) -%}
    {{- return(
        'cast(null as ' ~ dbt.type_string() ~ ')' if value is none
        else string_literal(value)
    ) -}}
{%- endmacro -%}


{#- A length of time such as `26 hours`, in seconds; none where it is none. -#}
{%- macro seconds_of_length(length) -%}
    {%- set seconds = {'minute': 60, 'hour': 3600, 'day': 86400, 'week': 604800} -%}
    {%- set parts = (length | string).split() -%}
    {%- set unit = parts[-1] if parts | length == 2 else '' -%}
    {%- set unit = unit[:-1] if unit.endswith('s') else unit -%}
    {%- if unit in seconds and parts[0] | int > 0 -%}
        {{- return(parts[0] | int * seconds[unit]) -}}
    {%- endif -%}
    {{- return(none) -}}
{%- endmacro -%}


{%- macro check_freshness(input, settings) -%}
    {%- set lengths = [] -%}
    {%- for key in ['warn_after', 'hold_after'] if key in settings -%}
        {%- do lengths.append(seconds_of_length(settings[key])) -%}
    {%- endfor -%}
    {%- if settings is not mapping or not settings.get('as_of') or none in lengths
        or settings | reject('in', ['as_of', 'warn_after', 'hold_after']) | list -%}
        {%- do exceptions.raise_compiler_error(
            input.name ~ ': freshness: this is {as_of: a column with a time, warn_after: '
            ~ '26 hours, hold_after: 48 hours}; of the latter two either may be left out.'
        ) -%}
    {%- endif -%}
{%- endmacro -%}


{#- Whether a row of audience_freshness is of an audience, or an input of it, that is no
    more. -#}
{%- macro is_of_former_input() -%}
    {%- set pairs = [] -%}
    {%- set models = graph.nodes.values() if execute else [] -%}
    {%- for audience in models if audience.config.materialized == 'audience' -%}
        {%- for input in inputs_of_audience(audience) -%}
            {%- do pairs.append(audience.name ~ ' ' ~ input.name) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if not pairs -%}
        {{- return('1 = 1') -}}
    {%- endif -%}
    {{- return(
        "concat(audience, ' ', input) not in " ~ texts_in_parentheses(pairs)
    ) -}}
{%- endmacro -%}


{#- The members of a held audience: as they were, each under the profile's name of
    today. -#}
{%- macro members_as_they_were(changes) -%}
    select coalesce(known_by.profile_id, members.profile_id) as profile_id
    from (
        {{ audience_members(changes) }}
    ) as members
    left join (
        select
            {{ profile_id('identifier_type', 'identifier_value') }} as former_id,
            profile_id
        from {{ ref('profile_identifiers') }}
    ) as known_by on members.profile_id = known_by.former_id
{%- endmacro -%}
