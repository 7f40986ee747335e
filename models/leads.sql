-- The customers whose e-mail address is made of ASCII letters: Marketo takes no others.
select * from {{ ref('customers') }} where email not glob '*[^ -~]*'
