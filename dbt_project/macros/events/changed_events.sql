{#- What has changed of events since a table was made of them, for the materialization
    `event`. -#}

{#- The pre-hook of what is materialized as `event`. It renders to nothing; what counts is
    that dbt sees the refs to what the materialization reads, and builds that first. -#}
{%- macro depend_on_changed_events(model) -%}
    {%- if model.config.materialized == 'event' -%}
        {%- for name in read_by_event_models() -%}
            {%- do ref(name) -%}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}


{#- The greatest batch in a column of this incremental table; -1 where it is made anew. A
    number and no subquery, so that an engine reads no others. -#}
{% macro greatest_batch_of_table(column) %}
    {%- if not execute or not is_incremental() -%}
        {{- return(-1) -}}
    {%- endif -%}
    {{- return(single_value(
        'select coalesce(max(' ~ column ~ '), -1) from ' ~ this
    )) -}}
{% endmacro %}


{#- The latest batch of stored events; -1 while there is only one, or none that a project
    which is only compiled could ask. -#}
{% macro latest_batch() %}
    {%- set stored = ref('stg_events') -%}
    {%- if not execute or load_cached_relation(stored) is none -%}
        {{- return(-1) -}}
    {%- endif -%}
    {{- return(single_value(
        'select coalesce(max(batch_id), -1) from ' ~ stored ~ ' where batch_id > '
        ~ '(select min(batch_id) from ' ~ stored ~ ')'
    )) -}}
{% endmacro %}


{#- How events stand: the newest and oldest batches of what a table is made from, the
    latest stored one that is known to be in int_latest_events, and the one before. Null
    where there is none. -#}
{% macro state_of_events() %}
    {%- set stored = ref('stg_events') -%}
    {%- set row = run_query(
        'select stored.newest, stored.oldest, stored.previous, profiles.newest as '
        ~ 'newest_of_profiles, profiles.oldest as oldest_of_profiles, '
        ~ 'latest.newest as newest_of_latest, releases.release_count, '
        ~ 'violations.violation_count from '
        ~ '(select max(batch_id) as newest, min(batch_id) as oldest, max(case when '
        ~ 'batch_id < (select max(batch_id) from ' ~ stored ~ ') then batch_id end) '
        ~ 'as previous from ' ~ stored ~ ') as stored cross join '
        ~ '(select max(batch_id) as newest, min(batch_id) as oldest from '
        ~ ref('event_profiles') ~ ') as profiles cross join '
        ~ '(select max(batch_id) as newest from ' ~ ref('int_latest_events')
        ~ ') as latest cross join '
        ~ '(select count(*) as release_count from ' ~ ref('violation_releases')
        ~ ') as releases cross join '
        ~ '(select count(*) as violation_count from ' ~ ref('event_violations')
        ~ ') as violations'
    ).rows[0] -%}
    {{- return({
        'newest': row['newest'],
        'oldest': row['oldest'],
        'previous': row['previous'],
        'newest_of_profiles': row['newest_of_profiles'] or 0,
        'oldest_of_profiles': row['oldest_of_profiles'] or 0,
        'newest_of_latest': row['newest_of_latest'],
        'violation_count': row['violation_count'],
        'version': local_md5(tojson([
            sql, model.get('contract', {}).get('checksum'), plan_version(),
            files_of_events(), row['oldest'] | string, row['release_count'] | string,
        ]))[:12],
    }) -}}
{% endmacro %}


{#- What the files say by which stored events flow on. -#}
{% macro files_of_events() %}
    {%- set package = model.unique_id.rsplit('.', 1)[0] -%}
    {%- set files = [] -%}
    {%- for name in [
        'renamed_events', 'event_enforcement', 'omitted_events', 'flowing_events', 'events'
    ] -%}
        {%- do files.append(graph.nodes[package ~ '.' ~ name].checksum.checksum) -%}
    {%- endfor -%}
    {{- return(files) -}}
{% endmacro %}


{#- What this table was made from when it was built last: (stored, profiles), or none when
    it has to be made anew. -#}
{% macro followed_up_to(state) %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if
        existing is none or existing.type != 'table' or should_full_refresh()
        or state.newest is none or not asks_each_event_alone()
    -%}
        {{- return(none) -}}
    {%- endif -%}
    {%- set models = ref('int_event_models') -%}
    {%- set name = string_literal(this.identifier) -%}
    {%- set found = run_query(
        'select version, stored_batch_id, profiles_batch_id, violation_count, '
        ~ '(select count(*) from ' ~ ref('event_violations') ~ ' as violations '
        ~ 'where violations.batch_id <= models.stored_batch_id) as violations_now from '
        ~ models ~ ' as models where model = ' ~ name ~ ' and step = '
        ~ '(select max(step) from ' ~ models ~ ' where model = ' ~ name ~ ')'
    ).rows -%}
    {%- if
        found | length == 0 or found[0]['version'] != state.version
        or found[0]['violation_count'] != found[0]['violations_now']
        or state.oldest_of_profiles > found[0]['profiles_batch_id']
    -%}
        {{- return(none) -}}
    {%- endif -%}
    {{- return({
        'stored': found[0]['stored_batch_id'], 'profiles': found[0]['profiles_batch_id']
    }) -}}
{% endmacro %}


{#- Whether each row follows from one event and nothing else, as far as the SQL shows: the
    model reads `events` once and no other table, passes profile_id on as it is, and uses
    no word by which rows depend on each other or on the time. -#}
{% macro asks_each_event_alone() %}
    {%- set re = modules.re -%}
    {%- set events = ref('events') | string -%}
    {#- Without what is written in texts and comments. -#}
    {%- set text = re.sub(
        "'[^']*'|--[^\\n]*|/\\*[\\s\\S]*?\\*/", '', sql.replace(events, 'stored') | lower
    ) -%}
    {%- set text = re.sub('\\s+', ' ', ' ' ~ text ~ ' ') -%}
    {%- set words = '(?<![a-z0-9_])(?:(?:join|over|group|distinct|limit|union|except'
        ~ '|intersect|exists|qualify|sample|tablesample|pivot|unpivot|now|random|uuid'
        ~ '|current_date|current_time|current_timestamp)(?![a-z0-9_])'
        ~ '|(?:min|max|count|sum|avg) ?\\(|events ?\\.)' -%}
    {%- set passed_on = re.findall(
        '(?:select|,) (?:[a-z_]+\\.)?profile_id ?(?=,|from )', text
    ) -%}
    {%- set mentioned = re.findall('(?<![a-z0-9_])profile_id(?![a-z0-9_])', text) -%}
    {%- set others = [] -%}
    {%- for parent in model.depends_on.nodes -%}
        {%- set name = parent.split('.')[-1] -%}
        {%- if name in read_by_event_models() -%}
            {#- Those stand there for the materialization. -#}
            {%- if ref(name) | string in sql -%}{%- do others.append(name) -%}{%- endif -%}
        {%- elif name != 'events' -%}
            {%- do others.append(name) -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(
        others | length == 0
        and sql.count(events) == 1
        and not re.search(words, text)
        and passed_on | length == mentioned | length
    ) -}}
{% endmacro %}


{#- What the materialization reads besides `events`. -#}
{% macro read_by_event_models() %}
    {{- return([
        'stg_events', 'event_profiles', 'event_violations', 'violation_releases',
        'int_latest_events', 'int_event_models',
    ]) -}}
{% endmacro %}
