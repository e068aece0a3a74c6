{#- What has changed of profiles since a table was made of them, for the materialization
    `by_profile`. -#}

{#- The pre-hook of folders with such models. It renders to nothing; what counts is that
    dbt sees the refs to what the materialization reads, and builds that first. -#}
{%- macro depend_on_followed_profiles() -%}
    {%- for name in read_by_profile() -%}
        {%- do ref(name) -%}
    {%- endfor -%}
{%- endmacro -%}


{#- What the materialization reads besides what the model does. -#}
{% macro read_by_profile() %}
    {{- return([
        'stg_events', 'violation_releases', 'int_event_identifiers', 'profile_identifiers',
        'int_identifier_owners', 'int_followed_profiles',
    ]) -}}
{% endmacro %}


{#- The models that a model itself reads, as nodes. -#}
{% macro inputs_by_profile(node) %}
    {%- set inputs = [] -%}
    {%- for unique_id in node.depends_on.nodes if unique_id in graph.nodes -%}
        {%- set name = graph.nodes[unique_id].name -%}
        {%- if
            name not in read_by_profile()
            or modules.re.search("ref\\(\\s*['\"]" ~ name ~ "['\"]", node.raw_code)
        -%}
            {%- do inputs.append(graph.nodes[unique_id]) -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(inputs) -}}
{% endmacro %}


{#- This model and the tables of its kind that it is made from, however far above; none if
    it is made from anything else than these, events and profile_identifiers. -#}
{% macro models_by_profile() %}
    {%- set found = [graph.nodes[model.unique_id]] -%}
    {#- The list grows while it is gone through. -#}
    {%- for node in found -%}
        {%- for input in inputs_by_profile(node) if input not in found -%}
            {%- if input.config.materialized == 'by_profile' -%}
                {%- do found.append(input) -%}
            {%- elif
                not is_events_of_profiles(input) and input.name != 'profile_identifiers'
            -%}
                {{- return(none) -}}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(found) -}}
{% endmacro %}


{%- macro is_events_of_profiles(node) -%}
    {{- return(
        node.fqn[1] == 'events'
        and (node.name == 'events' or 'event' in node.config.get('meta', {}))
    ) -}}
{%- endmacro -%}


{#- How long before a build the edges of the windows lie in a model's text, as pairs of
    number and unit; none if the time of the build is used in any other way. -#}
{% macro edges_of_windows(node) %}
    {%- set re = modules.re -%}
    {%- set text = re.sub('--[^\\n]*', '', node.raw_code) -%}
    {%- set comparison = '(?:\\b[a-z0-9_]+\\.)?\\btimestamp\\s+(?:>|<=)\\s+' -%}
    {%- set ago = comparison
        ~ "\\{\\{ (?:days_ago\\((\\d+)\\)|time_ago\\((\\d+), '([a-z]+)'\\)) \\}\\}" -%}
    {%- set edges = [] -%}
    {%- for days, number, unit in re.findall(ago, text) -%}
        {%- do edges.append((days or number, unit or 'day')) -%}
    {%- endfor -%}
    {%- set until_now = comparison ~ '\\{\\{ build_started_at\\(\\) \\}\\}' -%}
    {#- What happened after a build waits for the next one. -#}
    {%- if re.search(until_now, text) -%}
        {%- do edges.append(('0', 'day')) -%}
    {%- endif -%}
    {%- set rest = re.sub(until_now, '', re.sub(ago, '', text)) -%}
    {%- if re.search(
        '(?i)days_ago|time_ago|build_started|run_started_at|modules|now\\s*\\(|'
        ~ 'current_(date|time)|localtime|\\brandom|invocation_id', rest
    ) -%}
        {{- return(none) -}}
    {%- endif -%}
    {{- return(edges) -}}
{% endmacro %}


{#- Whether a window function goes over rows of several profiles, as far as the SQL shows. -#}
{% macro compares_profiles(node) %}
    {%- set window = '(?i)\\bover\\s*\\(' -%}
    {%- set of_a_profile = window
        ~ '\\s*partition\\s+by\\s+(?:[a-z0-9_]+\\.)?profile_id\\b' -%}
    {%- set windows = modules.re.findall(window, node.raw_code) -%}
    {%- set of_profiles = modules.re.findall(of_a_profile, node.raw_code) -%}
    {{- return(windows | length != of_profiles | length) -}}
{% endmacro %}


{#- How everything stands that the model is made from. The version is null where the next
    build cannot know what has changed since this one. -#}
{% macro state_of_profiles() %}
    {%- set followed = [
        ('stored', ref('stg_events')),
        ('identified', ref('int_event_identifiers')),
        ('owners', ref('int_identifier_owners')),
    ] -%}
    {%- set selects = ['(select count(*) from ' ~ ref('violation_releases')
        ~ ') as release_count'] -%}
    {%- for name, relation in followed -%}
        {%- do selects.append('(select coalesce(max(batch_id), 0) from ' ~ relation
            ~ ') as ' ~ name ~ '_batch_id') -%}
        {%- do selects.append('(select count(*) from ' ~ relation ~ ') as ' ~ name
            ~ '_count') -%}
    {%- endfor -%}
    {%- set found = run_query('select ' ~ selects | join(', ')).rows[0] -%}
    {%- set state = {'version': version_of_profiles(found['release_count'])} -%}
    {%- for name, _ in followed -%}
        {%- do state.update({
            name ~ '_batch_id': found[name ~ '_batch_id'] | int,
            name ~ '_count': found[name ~ '_count'] | int,
        }) -%}
    {%- endfor -%}
    {{- return(state) -}}
{% endmacro %}


{#- Stands for all definitions that the rows follow from; none where the model cannot be
    made by profile, or what it is made from is not part of this run. -#}
{% macro version_of_profiles(release_count) %}
    {%- set nodes = models_by_profile() -%}
    {%- if nodes is none -%}
        {{- return(none) -}}
    {%- endif -%}
    {%- for node in nodes
        if edges_of_windows(node) is none or compares_profiles(node) -%}
        {{- return(none) -}}
    {%- endfor -%}
    {%- set texts = [
        sql.replace(run_started_at.isoformat(), 'now'), plan_version(), release_count,
        model.description, tojson(model.columns),
    ] -%}
    {%- set above = [] -%}
    {%- do above.extend(model.depends_on.nodes) -%}
    {#- The list grows while it is gone through. -#}
    {%- for unique_id in above if unique_id in graph.nodes -%}
        {%- if unique_id not in selected_resources -%}
            {{- return(none) -}}
        {%- endif -%}
        {%- set node = graph.nodes[unique_id] -%}
        {%- do texts.append(
            unique_id ~ node.checksum.checksum ~ node.get('contract', {}).get('checksum')
        ) -%}
        {%- for parent in node.depends_on.nodes if parent not in above -%}
            {%- do above.append(parent) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(local_md5(texts | join('\n'))[:12]) -}}
{% endmacro %}


{#- What was noted of the model last; none where that is nothing. -#}
{% macro noted_of_profiles() %}
    {%- set states = ref('int_followed_profiles') -%}
    {%- set name = string_literal(this.identifier) -%}
    {%- set found = run_query(
        'select * from ' ~ states ~ ' where model = ' ~ name ~ ' and step = '
        ~ '(select max(step) from ' ~ states ~ ' where model = ' ~ name ~ ')'
    ).rows -%}
    {{- return(found[0] if found | length else none) -}}
{% endmacro %}


{#- How everything stood when the model was built last; none where it is to be made anew. -#}
{% macro followed_profiles(state, former) %}
    {%- set existing = load_cached_relation(this) -%}
    {%- if
        not takes_up_profiles() or state.version is none or should_full_refresh()
        or existing is none or existing.type != 'table'
        or former is none or former['version'] != state.version
        or modules.datetime.datetime.fromisoformat(former['built_at']) > run_started_at
    -%}
        {{- return(none) -}}
    {%- endif -%}
    {%- set counts = run_query(
        'select (select count(*) from ' ~ ref('stg_events') ~ ' where batch_id <= '
        ~ former['stored_batch_id'] ~ ') as stored_count, '
        ~ '(select count(*) from ' ~ ref('int_event_identifiers') ~ ' where batch_id <= '
        ~ former['identified_batch_id'] ~ ') as identified_count, '
        ~ '(select count(*) from ' ~ ref('int_identifier_owners') ~ ' where batch_id <= '
        ~ former['owners_batch_id'] ~ ') as owners_count'
    ).rows[0] -%}
    {%- for name in ['stored_count', 'identified_count', 'owners_count']
        if counts[name] | int != former[name] | int -%}
        {{- return(none) -}}
    {%- endfor -%}
    {{- return(former) -}}
{% endmacro %}


{#- A select of the profiles that may have another row than they had. -#}
{% macro touched_profiles(former) %}
    {%- set owners = ref('int_identifier_owners') -%}
    {%- set then = time_literal(former['built_at']) -%}
    {%- set edges = [] -%}
    {%- set tables = [] -%}
    {%- for node in models_by_profile() -%}
        {%- do edges.extend(edges_of_windows(node)) -%}
        {%- for input in inputs_by_profile(node) if is_events_of_profiles(input) -%}
            {%- do tables.append(api.Relation.create(
                database=input.database, schema=input.schema, identifier=input.alias
            )) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set passed = [] -%}
    {%- for number, unit in edges | unique -%}
        {%- do passed.append(
            'timestamp >= ' ~ then ~ " - interval '" ~ number ~ "' " ~ unit
            ~ ' and timestamp <= ' ~ time_ago(number, unit)
        ) -%}
    {%- endfor -%}
    with

    seen as (

        select profile_identifiers.profile_id
        from {{ ref('int_event_identifiers') }} as sightings
        inner join {{ ref('profile_identifiers') }} as profile_identifiers
            on sightings.strongest_identifier_id = profile_identifiers.identifier_id
        where sightings.batch_id > {{ former['identified_batch_id'] }}

        union all

        select profile_id
        from {{ owners }}
        where
            identifier_id in (
                select identifier_id
                from {{ owners }}
                where batch_id > {{ former['owners_batch_id'] }}
            )

        {%- for table in tables | unique if passed %}

        union all

        select profile_id
        from {{ table }}
        where ({{ passed | join(') or (') }})
        {%- endfor %}

    )

    select distinct profile_id
    from seen
    where profile_id is not null
{% endmacro %}


{#- Notes how everything stood in this build, unless it is as noted: then only time has
    passed, and the next build looks at edges since the build that was noted. -#}
{% macro note_followed_profiles(state, former) %}
    {%- set same = [] -%}
    {%- for key, value in state.items() if former is not none -%}
        {%- if former[key] | string == value | string -%}{%- do same.append(key) -%}{%- endif -%}
    {%- endfor -%}
    {%- if same | length < state | length -%}
    {%- set states = ref('int_followed_profiles') -%}
    {%- set name = string_literal(this.identifier) -%}
    {% call statement('note_state') -%}
        insert into {{ states }} (
            model, step, version, built_at, stored_batch_id, stored_count,
            identified_batch_id, identified_count, owners_batch_id, owners_count
        )
        select
            {{ name }},
            coalesce(max(step), 0) + 1,
            {{ text_or_null(state.version) }},
            {{ string_literal(run_started_at.isoformat()) }},
            {{ state.stored_batch_id }},
            {{ state.stored_count }},
            {{ state.identified_batch_id }},
            {{ state.identified_count }},
            {{ state.owners_batch_id }},
            {{ state.owners_count }}
        from {{ states }}
        where model = {{ name }}
    {%- endcall %}
    {%- endif -%}
{% endmacro %}
