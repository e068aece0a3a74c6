{#- The tracking plan flattened: every rule of every event, and those common to all, as
    one list in which a rule knows its parent by id. What the SQL then does is bounded by
    `plan_depth` of this list; no query recurses. -#}
{%- macro plan_rules(events, common) -%}
    {%- set rules = [] -%}
    {%- for event in events -%}
        {%- set type = event.type or 'track' -%}
        {%- set name = event.event if type == 'track' else type -%}
        {%- set version = event.version or 1 -%}
        {%- set scope = 'traits' if type in ['identify', 'group'] else 'properties' -%}
        {%- set root = {
            'rule_id': rules | length,
            'type': type,
            'event': name,
            'version': version,
            'is_oldest': version == oldest_version(events, type, event.event),
            'scope': scope,
            'depth': 0,
            'has_members': true,
            'enforcement': event.enforcement or {},
            'renames': event.renames or {},
            'aliases': event.event_aliases or [],
        } -%}
        {%- do rules.append(root) -%}
        {%- for key, rule in property_tree(event.properties).items() -%}
            {%- do add_rule(rules, root, key, key, rule) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if common -%}
        {%- set root = {'rule_id': rules | length, 'scope': 'event', 'depth': 0} -%}
        {%- do rules.append(root) -%}
        {%- for path, rule in common.items() -%}
            {%- do add_rule(rules, root, path, path, rule or {}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(rules) }}
{%- endmacro -%}


{#- Append a rule and, below it, those of the values inside. -#}
{%- macro add_rule(rules, parent, key, property, words, is_required=none) -%}
    {%- set types = rule_types(words) -%}
    {%- set members = words.properties or {} -%}
    {%- set required = words.required -%}
    {%- set names = required if required is sequence and required is not string else [] -%}
    {%- set rule = {
        'rule_id': rules | length,
        'parent_id': parent.rule_id,
        'scope': parent.scope,
        'depth': parent.depth + 1,
        'key': key,
        'property': property,
        'types': types,
        'data_type': words.data_type,
        'is_required': (required is sameas true) if is_required is none else is_required,
        'is_nullable': 'null' in types,
        'forbids_null': key == '[]' and words.required is sameas true
            and 'null' not in types,
        'is_pii': words.pii or parent.is_pii,
        'has_members': members and (not types or 'object' in types),
        'has_elements': 'items' in words and (not types or 'array' in types),
        'enum': enum_texts(words.enum),
        'pattern': words.pattern,
        'format': words.format or implied_format(words),
        'minimum': words.minimum,
        'maximum': words.maximum,
        'expected_type': expected_type(types, words.data_type),
        'expected_enum': enum_texts(words.enum) | join(', '),
        'expected_range': expected_range(words),
    } -%}
    {%- do rules.append(rule) -%}
    {%- for name, member in members.items() -%}
        {%- set member = member or {} -%}
        {%- do add_rule(
            rules, rule, name, property ~ '.' ~ name, member,
            true if name in names else none
        ) -%}
    {%- endfor -%}
    {%- if 'items' in words -%}
        {%- do add_rule(
            rules, rule, '[]', property ~ '[]', words['items'] or {}, false
        ) -%}
    {%- endif -%}
    {#- A value that holds personal ones is not shown either. -#}
    {%- for inner in rules if inner.parent_id == rule.rule_id and inner.is_pii -%}
        {%- do rule.update({'is_pii': true}) -%}
    {%- endfor -%}
{%- endmacro -%}


{#- Properties as a tree: what lies on the way to `address.city` is an object. -#}
{%- macro property_tree(properties) -%}
    {%- set tree = {} -%}
    {%- for property in properties or [] -%}
        {%- set keys = property.name.split('.') -%}
        {%- set place = namespace(members=tree) -%}
        {%- for key in keys[:-1] -%}
            {%- set object = place.members.setdefault(key, {'type': 'object'}) -%}
            {%- set place.members = object.setdefault('properties', {}) -%}
        {%- endfor -%}
        {#- A copy, because what is planned inside is added to it. -#}
        {%- set rule = fromjson(tojson(property)) -%}
        {%- set known = place.members.get(keys[-1], {}) -%}
        {%- if known.properties or rule.properties -%}
            {%- do rule.update({
                'properties': dict(known.properties or {}, **(rule.properties or {}))
            }) -%}
        {%- endif -%}
        {%- do place.members.update({keys[-1]: rule}) -%}
    {%- endfor -%}
    {{ return(tree) }}
{%- endmacro -%}


{%- macro oldest_version(events, type, name) -%}
    {%- set versions = [] -%}
    {%- for event in events if (event.type or 'track') == type -%}
        {%- if type != 'track' or event.event == name -%}
            {%- do versions.append(event.version or 1) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(versions | min) }}
{%- endmacro -%}


{#- The JSON types that a value may have; none means any. -#}
{%- macro rule_types(words) -%}
    {%- if words.type is string -%}
        {{ return([words.type]) }}
    {%- elif words.type -%}
        {{ return(words.type) }}
    {%- elif words.data_type -%}
        {{ return(json_types(words.data_type)) }}
    {%- else -%}
        {{ return([]) }}
    {%- endif -%}
{%- endmacro -%}


{#- What a value of a column's type must be in JSON, where the plan names no type. -#}
{%- macro json_types(data_type) -%}
    {%- set name = base_type(data_type) -%}
    {%- if name in ['bigint', 'integer', 'int', 'smallint', 'tinyint', 'hugeint'] -%}
        {{ return(['integer']) }}
    {%- elif name in ['decimal', 'numeric', 'double', 'float', 'real'] -%}
        {{ return(['number']) }}
    {%- elif name in ['boolean', 'bool'] -%}
        {{ return(['boolean']) }}
    {%- elif name == 'json' -%}
        {{ return(['array', 'object']) }}
    {%- else -%}
        {{ return(['string']) }}
    {%- endif -%}
{%- endmacro -%}


{%- macro implied_format(words) -%}
    {%- if not words.type and is_time_type(words.data_type) -%}
        {{ return('date-time') }}
    {%- endif -%}
    {{ return(none) }}
{%- endmacro -%}


{%- macro is_time_type(data_type) -%}
    {{ return(
        base_type(data_type)
        in ['date', 'timestamp', 'timestamptz', 'timestamp with time zone']
    ) }}
{%- endmacro -%}


{%- macro base_type(data_type) -%}
    {{ return(((data_type or 'varchar') | lower).split('(')[0] | trim) }}
{%- endmacro -%}


{#- Allowed values as the texts that `json_text` would give. -#}
{%- macro enum_texts(values) -%}
    {%- set texts = [] -%}
    {%- for value in values or [] -%}
        {%- do texts.append(value if value is string else tojson(value)) -%}
    {%- endfor -%}
    {{ return(texts) }}
{%- endmacro -%}


{%- macro expected_type(types, data_type) -%}
    {%- set expected = types | join(' or ') -%}
    {%- if data_type and base_type(data_type) not in ['varchar', 'json'] -%}
        {{ return(expected ~ ' that fits ' ~ data_type) }}
    {%- endif -%}
    {{ return(expected or none) }}
{%- endmacro -%}


{%- macro expected_range(words) -%}
    {%- set parts = [] -%}
    {%- for word in ['minimum', 'maximum'] if words[word] is number -%}
        {%- do parts.append(word ~ ' ' ~ words[word]) -%}
    {%- endfor -%}
    {{ return(parts | join(', ') or none) }}
{%- endmacro -%}


{#- How many levels of values the plan speaks of: 1 when nothing is nested. -#}
{%- macro plan_depth(rules) -%}
    {{ return(([1] + rules | map(attribute='depth') | list) | max) }}
{%- endmacro -%}
