{%- from 'parts/slug.sql' import slug -%}
-- One row per company that customers work for. The warehouse has no company numbers, so the name becomes the key.
select
    {{ slug('customer.Company') }} as company_id,
    min(trim(customer.Company)) as name,
    min(trim(customer.City)) as city,
    min(customer.Country) as country,
    count(distinct customer.CustomerId) as contact_count,
    round(coalesce(sum(invoice.Total), 0), 2) as revenue
from Customer as customer
left join Invoice as invoice on invoice.CustomerId = customer.CustomerId
where trim(customer.Company) <> ''
group by 1
order by 1
