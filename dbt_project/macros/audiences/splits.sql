{#- The groups of all audiences whose yml says `config.meta.splits`, as a relation: which
    of a million places belong to which, and whether members have places by strata. -#}
{%- macro split_groups() -%}
    {%- set selects = [] -%}
    {%- set models = graph.nodes.values() if execute else [] -%}
    {%- for model in models if model.config.materialized == 'audience' -%}
        {%- for group in groups_of_audience(model) -%}
            {%- do selects.append(
                'select ' ~ string_literal(model.name) ~ ' as audience, '
                ~ string_literal(group.salt) ~ ' as salt, '
                ~ group.is_stratified ~ ' as is_stratified, '
                ~ string_literal(group.split) ~ ' as split, '
                ~ group.from_place ~ ' as from_place, '
                ~ group.to_place ~ ' as to_place'
            ) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set text = 'cast(null as ' ~ dbt.type_string() ~ ')' -%}
    {%- set nothing = 'select ' ~ text ~ ' as audience, ' ~ text ~ ' as salt, false as '
        ~ 'is_stratified, ' ~ text ~ ' as split, 0 as from_place, 0 as to_place '
        ~ 'where 1 = 0' -%}
    ({{ selects | join(' union all ') or nothing }})
{%- endmacro -%}


{#- The groups of one audience, in the order of its yml. -#}
{%- macro groups_of_audience(model) -%}
    {%- set splits = model.config.get('meta', {}).get('splits') -%}
    {%- if splits is none -%}
        {{- return([]) -}}
    {%- endif -%}
    {%- do check_splits(model, splits) -%}
    {%- set groups = [] -%}
    {%- set sum = namespace(percent=0) -%}
    {%- for split, percent in splits.groups.items() -%}
        {%- set before = (sum.percent * 10000) | round | int -%}
        {%- set sum.percent = sum.percent + percent -%}
        {%- do groups.append({
            'split': split,
            'salt': salt_of_audience(model),
            'is_stratified': 'true' if strata_of_audience(model) else 'false',
            'from_place': before,
            'to_place': (sum.percent * 10000) | round | int,
        }) -%}
    {%- endfor -%}
    {{- return(groups) -}}
{%- endmacro -%}


{%- macro salt_of_audience(model) -%}
    {{- return(model.config.meta.splits.get('salt', model.name)) -}}
{%- endmacro -%}


{#- The traits of whose values each group gets its share; see audience_placements. -#}
{%- macro strata_of_audience(model) -%}
    {%- set splits = model.config.get('meta', {}).get('splits') -%}
    {{- return((splits.get('strata') or []) if splits is mapping else []) -}}
{%- endmacro -%}


{%- macro check_splits(model, splits) -%}
    {%- set strata = splits.get('strata', []) if splits is mapping else [] -%}
    {%- set is_right = splits is mapping and splits.get('groups') is mapping
        and not splits | reject('in', ['groups', 'salt', 'strata']) | list
        and strata is sequence and strata is not string
        and not strata | reject('string') | list -%}
    {%- set sum = namespace(percent=0) -%}
    {%- for percent in splits.groups.values() if is_right -%}
        {%- set is_number = percent is number and percent is not boolean -%}
        {%- set sum.percent = sum.percent + (percent if is_number else 1000) -%}
    {%- endfor -%}
    {%- if not is_right or (sum.percent - 100) | abs > 0.000001 -%}
        {%- do exceptions.raise_compiler_error(
            model.name ~ ': splits: this is {groups: {name: percent, …}, salt: …, '
            ~ 'strata: [trait, …]}, and the percents add up to 100.', model
        ) -%}
    {%- endif -%}
{%- endmacro -%}


{#- Whether an audience keeps a part of its members from being contacted. -#}
{%- macro has_holdout(audience) -%}
    {%- for model in graph.nodes.values()
        if model.name == audience and model.config.materialized == 'audience' -%}
        {{- return(groups_of_audience(model) | selectattr('split', 'equalto', 'holdout')
            | list | length > 0) -}}
    {%- endfor -%}
    {{- return(false) -}}
{%- endmacro -%}
