-- One row per customer, with what they bought. A model is one SQL query of the warehouse; its columns are what a
-- mapping can send.
with genre_counts as (
    select
        invoice.CustomerId,
        genre.Name as genre,
        sum(line.Quantity) as tracks
    from Invoice as invoice
    join InvoiceLine as line on line.InvoiceId = invoice.InvoiceId
    join Track as track on track.TrackId = line.TrackId
    join Genre as genre on genre.GenreId = track.GenreId
    group by invoice.CustomerId, genre.Name
),

favourites as (
    -- Of two genres bought equally often the first by name: the same query must give the same answer every time.
    select
        CustomerId,
        genre,
        row_number() over (partition by CustomerId order by tracks desc, genre) as place
    from genre_counts
),

purchases as (
    select
        CustomerId,
        round(sum(Total), 2) as lifetime_value,
        count(*) as invoice_count,
        date(max(InvoiceDate)) as last_purchase
    from Invoice
    group by CustomerId
)

select
    customer.CustomerId as customer_id,
    customer.Email as email,
    customer.FirstName as first_name,
    customer.LastName as last_name,
    customer.Phone as phone,
    customer.Company as company,
    trim(customer.City) as city,
    customer.Country as country,
    coalesce(purchases.lifetime_value, 0) as lifetime_value,
    coalesce(purchases.invoice_count, 0) as invoice_count,
    purchases.last_purchase as last_purchase,
    favourites.genre as favourite_genre
from Customer as customer
left join purchases on purchases.CustomerId = customer.CustomerId
left join favourites on favourites.CustomerId = customer.CustomerId and favourites.place = 1
order by customer.CustomerId
