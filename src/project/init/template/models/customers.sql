-- One row per customer. A model is one SQL query of the warehouse; its columns are what a mapping can send.
select
    customers.id as customer_id,
    customers.email as email,
    customers.first_name as first_name,
    customers.last_name as last_name,
    coalesce(sum(orders.total_cents), 0) / 100.0 as lifetime_value,
    count(orders.id) as order_count,
    max(orders.ordered_on) as last_order
from customers
left join orders on orders.customer_id = customers.id
group by customers.id
order by customers.id
