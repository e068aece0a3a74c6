{#- Text without the spaces around it: those of Unicode, but no tabs or ends of lines. -#}
{%- macro trimmed(text) -%}
    {{- return(adapter.dispatch('trimmed')(text)) -}}
{%- endmacro -%}

{%- macro duckdb__trimmed(text) -%}
    {{- return('trim(' ~ text ~ ')') -}}
{%- endmacro -%}

{#- By itself, Spark's trim knows the common space only. -#}
{%- macro spark__trimmed(text) -%}
    {%- set spaces = ' \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007'
        ~ '\u2008\u2009\u200a\u202f\u205f\u3000' -%}
    {{- return("trim(both '" ~ spaces ~ "' from " ~ text ~ ')') -}}
{%- endmacro -%}


{#- Text in lower case, one letter for one letter. -#}
{%- macro lowered(text) -%}
    {{- return(adapter.dispatch('lowered')(text)) -}}
{%- endmacro -%}

{%- macro duckdb__lowered(text) -%}
    {{- return('lower(' ~ text ~ ')') -}}
{%- endmacro -%}

{#- Spark's lower writes the dotted I as two characters, and a sigma otherwise at the end
    of a word. Of letters that came with Unicode 16 and later it knows some that DuckDB
    leaves as they are. -#}
{%- macro spark__lowered(text) -%}
    {{- return('lower(translate(' ~ text ~ ", '\u0130\u03a3', 'i\u03c3'))") -}}
{%- endmacro -%}
