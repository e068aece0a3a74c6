{#- The moment that lies the given number of days before the build. -#}
{%- macro days_ago(days) -%}
    ({{ build_started_at() }} - interval '{{ days }}' day)
{%- endmacro -%}


{#- The moment that lies so many units before the build, after it when negative. -#}
{%- macro time_ago(number, unit) -%}
    ({{ build_started_at() }} - interval '{{ number }}' {{ unit }})
{%- endmacro -%}


{#- A point in time, written with its offset. -#}
{%- macro time_literal(written) -%}
    cast('{{ written }}' as {{ timestamp_type() }})
{%- endmacro -%}


{#- The type of a point in time, UTC. -#}
{%- macro timestamp_type() -%}
    {{ adapter.dispatch('timestamp_type')() }}
{%- endmacro -%}

{%- macro duckdb__timestamp_type() -%}
    timestamp with time zone
{%- endmacro -%}

{%- macro spark__timestamp_type() -%}
    timestamp_ltz
{%- endmacro -%}


{#- The start of this dbt invocation as a literal: one moment for a whole build. -#}
{%- macro build_started_at() -%}
    {{ time_literal(run_started_at.isoformat()) }}
{%- endmacro -%}


{#- A time as text, RFC 3339 with an offset; null where it is none. -#}
{%- macro parsed_timestamp(text) -%}
    case
        when {{ matches_pattern(text, rfc_3339_pattern()) }}
            then {{ try_cast(text, timestamp_type()) }}
    end
{%- endmacro -%}


{%- macro rfc_3339_pattern() -%}
    ^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$
{%- endmacro -%}


{#- How much later `end` is than `start`, in seconds. -#}
{%- macro seconds_between(start, end) -%}
    {{ adapter.dispatch('seconds_between')(start, end) }}
{%- endmacro -%}

{%- macro duckdb__seconds_between(start, end) -%}
    ((epoch_us({{ end }}) - epoch_us({{ start }})) / 1000000.0)
{%- endmacro -%}

{%- macro spark__seconds_between(start, end) -%}
    (cast(unix_micros({{ end }}) - unix_micros({{ start }}) as double) / 1000000.0D)
{%- endmacro -%}


{#- A time moved as far as `end` is from `start`. -#}
{%- macro shifted(timestamp, start, end) -%}
    {{ adapter.dispatch('shifted')(timestamp, start, end) }}
{%- endmacro -%}

{%- macro duckdb__shifted(timestamp, start, end) -%}
    ({{ timestamp }} + to_microseconds(epoch_us({{ end }}) - epoch_us({{ start }})))
{%- endmacro -%}

{%- macro spark__shifted(timestamp, start, end) -%}
    timestamp_micros(
        unix_micros({{ timestamp }}) + unix_micros({{ end }}) - unix_micros({{ start }})
    )
{%- endmacro -%}


{#- The calendar window of a time, UTC, as text: daily 2026-11-22, weekly 2026-W47 (ISO),
    monthly 2026-11, annually 2026. -#}
{%- macro calendar_window(timestamp, window) -%}
    {{ adapter.dispatch('calendar_window')(timestamp, window) }}
{%- endmacro -%}

{%- macro duckdb__calendar_window(timestamp, window) -%}
    {%- set formats = {
        'daily': '%Y-%m-%d', 'weekly': '%G-W%V', 'monthly': '%Y-%m', 'annually': '%Y'
    } -%}
    strftime(timezone('UTC', {{ timestamp }}), '{{ formats[window] }}')
{%- endmacro -%}

{#- The session's time zone is UTC. An ISO week belongs to the year of its Thursday. -#}
{%- macro spark__calendar_window(timestamp, window) -%}
    {%- if window == 'weekly' -%}
        concat(
            extract(yearofweek from {{ timestamp }}), '-W',
            lpad(weekofyear({{ timestamp }}), 2, '0')
        )
    {%- else -%}
        {%- set formats = {'daily': 'yyyy-MM-dd', 'monthly': 'yyyy-MM', 'annually': 'yyyy'} -%}
        date_format({{ timestamp }}, '{{ formats[window] }}')
    {%- endif -%}
{%- endmacro -%}
