
{%- macro spark__json_renamed(column, renames) -%}{{ column }}{%- endmacro -%}
{%- macro spark__json_element_text(column, path, conditions, key) -%}cast(null as string){%- endmacro -%}
{%- macro spark__json_places(column) -%}
    (select key as path, cast(value as string) as value, schema_of_variant(value) as type from variant_explode(parse_json({{ column }})))
{%- endmacro -%}
{%- macro spark__json_without(document, paths) -%}{{ document }}{%- endmacro -%}
{%- macro spark__json_without_keys(document, keys) -%}{{ document }}{%- endmacro -%}
