{#-
    The syncs that have a file, as a relation: what their yml says, and since when a run
    must have succeeded by now (`due_since`): since the last time but one of the schedule,
    and without a schedule for as long as `guards.max_age` says. Null where neither is set.
-#}
{%- macro declared_syncs() -%}
    {%- set text = dbt.type_string() -%}
    {%- set selects = [] -%}
    {%- set models = graph.nodes.values() if execute else [] -%}
    {%- for model in models if model.config.materialized == 'sync' -%}
        {%- set settings = model.config.get('meta', {}).get('sync') or {} -%}
        {%- set columns = [string_literal(model.name) ~ ' as sync'] -%}
        {%- for name in ['destination', 'action', 'mode', 'schedule'] -%}
            {%- set value = settings.get(name) -%}
            {%- do columns.append(
                'cast(' ~ ('null' if value is none else string_literal(value)) ~ ' as '
                ~ text ~ ') as ' ~ name
            ) -%}
        {%- endfor -%}
        {%- do columns.append(due_since(settings) ~ ' as due_since') -%}
        {%- do selects.append('select ' ~ columns | join(', ')) -%}
    {%- endfor -%}
    {%- set nothing = [] -%}
    {%- for name in ['sync', 'destination', 'action', 'mode', 'schedule'] -%}
        {%- do nothing.append('cast(null as ' ~ text ~ ') as ' ~ name) -%}
    {%- endfor -%}
    {%- set nothing = 'select ' ~ nothing | join(', ') ~ ', cast(null as '
        ~ timestamp_type() ~ ') as due_since where 1 = 0' -%}
    ({{ selects | join(' union all ') or nothing }})
{%- endmacro -%}


{%- macro due_since(settings) -%}
    {%- set max_age = (settings.get('guards') or {}).get('max_age') -%}
    {%- set ticks = ticks_before(settings.schedule, run_started_at, 2)
        if settings.get('schedule') else [] -%}
    {%- if ticks | length == 2 -%}
        {{- return(time_literal(ticks[1].isoformat())) -}}
    {%- elif max_age and not settings.get('schedule') -%}
        {{- return(time_ago(max_age.split()[0], max_age.split()[1].rstrip('s'))) -}}
    {%- endif -%}
    {{- return('cast(null as ' ~ timestamp_type() ~ ')') -}}
{%- endmacro -%}


{#- The latest times before `moment` at which a cron expression of five fields falls due,
    the latest first, at most `count` and nine years back. -#}
{%- macro ticks_before(expression, moment, count) -%}
    {%- set months = 'jan feb mar apr may jun jul aug sep oct nov dec'.split() -%}
    {%- set days = 'sun mon tue wed thu fri sat'.split() -%}
    {%- set fields = expression.lower().split() -%}
    {%- set minutes = cron_numbers(fields[0], 0, 59, [], 0) -%}
    {%- set hours = cron_numbers(fields[1], 0, 23, [], 0) -%}
    {%- set dates = cron_numbers(fields[2], 1, 31, [], 0) -%}
    {%- set months = cron_numbers(fields[3], 1, 12, months, 1) -%}
    {%- set weekdays = cron_numbers(fields[4], 0, 7, days, 0) -%}
    {#- With both the date and the day of the week restricted, either will do. -#}
    {%- set is_either = fields[2] != '*' and fields[4] != '*' -%}
    {%- set now = moment.astimezone(modules.pytz.utc).replace(second=0, microsecond=0) -%}
    {%- set ticks = [] -%}
    {%- for age in range(366 * 9) if ticks | length < count -%}
        {%- set day = now - modules.datetime.timedelta(days=age) -%}
        {%- set is_date = day.day in dates -%}
        {%- set is_weekday = day.isoweekday() in weekdays
            or (day.isoweekday() == 7 and 0 in weekdays) -%}
        {%- if day.month in months and (
            (is_date or is_weekday) if is_either else (is_date and is_weekday)
        ) -%}
            {%- for hour in hours | reverse if ticks | length < count -%}
                {%- for minute in minutes | reverse if ticks | length < count -%}
                    {%- set tick = day.replace(hour=hour, minute=minute) -%}
                    {%- if tick <= moment -%}{%- do ticks.append(tick) -%}{%- endif -%}
                {%- endfor -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(ticks[:count]) -}}
{%- endmacro -%}


{#- The numbers that one field of a cron expression stands for, in order. -#}
{%- macro cron_numbers(field, lowest, highest, names, first_name) -%}
    {%- set numbers = [] -%}
    {%- for part in field.split(',') -%}
        {%- set span = part.split('/')[0] -%}
        {%- set step = (part.split('/') + ['1'])[1] | int -%}
        {%- set ends = [] -%}
        {%- for end in span.split('-') if span != '*' -%}
            {%- do ends.append(
                names.index(end) + first_name if end in names else end | int
            ) -%}
        {%- endfor -%}
        {%- set start = ends[0] if ends else lowest -%}
        {%- set is_open = not ends or (ends | length == 1 and '/' in part) -%}
        {%- set stop = highest if is_open else ends[-1] -%}
        {%- for number in range(start, stop + 1, step) if number not in numbers -%}
            {%- do numbers.append(number) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{- return(numbers | sort) -}}
{%- endmacro -%}


{#- The share of a sync's rows that may be refused, or fail, before that is a problem. -#}
{%- macro most_rejected() -%}
    0.05
{%- endmacro -%}
