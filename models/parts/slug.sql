{#- A name as an identifier: `JetBrains s.r.o.` becomes `jetbrains-sro`. Parts are shared by models with `import`. -#}
{%- macro slug(column) -%}
  lower(replace(replace(replace(replace(trim({{ column }}), '.', ''), ' - ', '-'), ' ', '-'), 'á', 'a'))
{%- endmacro -%}
