create table customers (
    id integer primary key,
    email text not null,
    first_name text not null,
    last_name text not null
);
create table orders (
    id integer primary key,
    customer_id integer not null references customers (id),
    ordered_on date not null,
    total_cents integer not null
);
insert into customers (id, email, first_name, last_name) values
    (1, 'amara.okafor@example.com', 'Amara', 'Okafor'),
    (2, 'bjorn.lund@example.com', 'Bjørn', 'Lund'),
    (3, 'chiyo.tanaka@example.com', 'Chiyo', 'Tanaka'),
    (4, 'diego.munoz@example.com', 'Diego', 'Muñoz'),
    (5, 'ewa.kowalska@example.com', 'Ewa', 'Kowalska');
insert into orders (id, customer_id, ordered_on, total_cents) values
    (1, 1, '2026-01-14', 4900),
    (2, 2, '2026-02-03', 12950),
    (3, 1, '2026-03-21', 1999),
    (4, 3, '2026-04-02', 700),
    (5, 5, '2026-05-30', 25000),
    (6, 2, '2026-06-11', 3550);
