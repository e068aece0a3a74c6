{#-
    The pre-hook of the folder `syncs`. It renders to nothing; what counts is that dbt
    sees what the sync materialization reads, and builds it first.
-#}
{%- macro depend_on_sync_rules() -%}
    {%- for name in models_of_sync_rules() -%}
        {%- do ref(name) -%}
    {%- endfor -%}
{%- endmacro -%}


{%- macro models_of_sync_rules() -%}
    {{- return([
        'control_group', 'audience_splits', 'audience_priorities', 'frequency_caps',
        'capped_syncs', 'contact_keys', 'sync_payloads', 'sync_identifier_quality',
    ]) -}}
{%- endmacro -%}


{#- What takes rows out of this sync: for each reason the profiles that it is about, the
    strongest reason first. -#}
{%- macro rules_of_sync() -%}
    {%- set audiences = nearest_audiences(model) -%}
    {%- set rules = [] -%}
    {%- if control_group_percent() > 0 -%}
        {%- do rules.append({
            'reason': 'control group',
            'profiles': 'select profile_id from ' ~ ref('control_group'),
        }) -%}
    {%- endif -%}
    {%- set holding = [] -%}
    {%- for audience in audiences if has_holdout(audience) -%}
        {%- do holding.append(audience) -%}
    {%- endfor -%}
    {%- if holding -%}
        {%- do rules.append({
            'reason': 'holdout',
            'profiles': 'select profile_id from ' ~ ref('audience_splits')
                ~ ' where is_holdout and audience in ' ~ texts_in_parentheses(holding),
        }) -%}
    {%- endif -%}
    {%- set lists = priority_lists_of(audiences) -%}
    {%- if lists -%}
        {%- do rules.append({
            'reason': 'priority list',
            'profiles': 'select profile_id from ' ~ ref('audience_priorities')
                ~ ' where priority_list in ' ~ texts_in_parentheses(lists)
                ~ ' and audience not in ' ~ texts_in_parentheses(audiences),
        }) -%}
    {%- endif -%}
    {%- set caps = frequency_caps_of(model.name) -%}
    {%- if caps -%}
        {%- do rules.append({
            'reason': 'frequency cap',
            'profiles': 'select profile_id from ' ~ ref('frequency_caps')
                ~ ' where is_capped and cap in ' ~ texts_in_parentheses(caps),
        }) -%}
    {%- endif -%}
    {{- return(rules) -}}
{%- endmacro -%}


{#- The audiences that a model reads, itself or by way of others that are none. -#}
{%- macro nearest_audiences(model) -%}
    {%- set audiences = [] -%}
    {%- set above = [] -%}
    {%- do above.extend(model.depends_on.nodes) -%}
    {#- The list grows while it is gone through. -#}
    {%- for unique_id in above if unique_id in graph.nodes -%}
        {%- set node = graph.nodes[unique_id] -%}
        {%- if node.config.materialized == 'audience' -%}
            {%- do audiences.append(node.name) -%}
        {%- elif node.name not in models_of_sync_rules() -%}
            {%- for parent in node.depends_on.nodes if parent not in above -%}
                {%- do above.append(parent) -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(audiences) -}}
{%- endmacro -%}


{%- macro texts_in_parentheses(texts) -%}
    {%- set literals = [] -%}
    {%- for text in texts -%}
        {%- do literals.append(string_literal(text)) -%}
    {%- endfor -%}
    {{- return('(' ~ literals | join(', ') ~ ')') -}}
{%- endmacro -%}


{#- The rows of a sync's select, each with its `kith_fate`: `payload`, or why it is taken
    out of it. A row without a profile may be anybody's. -#}
{%- macro fates_of_rows(select_rows, profile_column, rules) -%}
    {%- set joins = [] -%}
    {%- set cases = ['when selected.' ~ profile_column ~ " is null then 'no profile'"] -%}
    {%- for rule in rules -%}
        {%- set name = 'rule_' ~ loop.index -%}
        {%- do joins.append(
            'left join (select distinct profile_id from (' ~ rule.profiles ~ ') as taken) '
            ~ 'as ' ~ name ~ ' on selected.' ~ profile_column ~ ' = ' ~ name
            ~ '.profile_id'
        ) -%}
        {%- do cases.append(
            'when ' ~ name ~ '.profile_id is not null then '
            ~ string_literal(rule.reason)
        ) -%}
    {%- endfor -%}
    {{- return(
        'select selected.*, case ' ~ cases | join(' ') ~ " else 'payload' end as kith_fate "
        ~ 'from (' ~ select_rows ~ ') as selected ' ~ joins | join(' ')
    ) -}}
{%- endmacro -%}
