{#- The moment that lies the given number of days before now. -#}
{%- macro days_ago(days) -%}
    {{ adapter.dispatch('days_ago')(days) }}
{%- endmacro -%}

{%- macro duckdb__days_ago(days) -%}
    (now() - interval {{ days }} day)
{%- endmacro -%}


{#- The type of a point in time, UTC. -#}
{%- macro timestamp_type() -%}
    {{ adapter.dispatch('timestamp_type')() }}
{%- endmacro -%}

{%- macro duckdb__timestamp_type() -%}
    timestamp with time zone
{%- endmacro -%}


{#- The start of this dbt invocation as a literal: one moment for a whole build. -#}
{%- macro build_started_at() -%}
    cast('{{ run_started_at.isoformat() }}' as {{ timestamp_type() }})
{%- endmacro -%}
