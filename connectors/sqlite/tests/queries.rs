use super::*;

const TABLES: &str = "create table customers (id integer primary key, first_name TEXT, email text);
    create table invoices (id integer primary key, customer_id integer, total numeric(10,2));
    insert into customers values (1, 'Ana', 'a@example.com')";

/// Query, part of the message, part of the hint.
const REFUSED: &[(&str, &str, &str)] = &[
    ("", "the query is empty", "select"),
    (" -- nothing\n/* here */ ", "the query is empty", "select"),
    ("/* never closed", "the query is empty", "select"),
    ("select 1; select 2", "more than one statement", "one `select`"),
    ("select 1; drop table customers", "more than one statement", "one `select`"),
    ("delete from customers", "would write", "only read"),
    ("with x as (select 1) delete from customers", "would write", "only read"),
    ("insert into customers values (2, 'b', 'c') returning id", "would write", "only read"),
    ("create table x (a)", "would write", "only read"),
    ("pragma table_info(customers)", "`pragma` is not a query", "only read"),
    ("explain select 1", "`explain` is not a query", "only read"),
    ("begin", "`begin` is not a query", "only read"),
    ("attach 'other.sqlite' as other", "`attach` is not a query", "only read"),
    ("vacuum into 'copy.sqlite'", "would write", "only read"),
    ("selekt 1", "near \"selekt\": syntax error", ""),
    ("select\n  * from custmers", "no such table: custmers", "did you mean `customers`?"),
    (
        "select frist_name from customers",
        "line 1, column 8: no such column: frist_name",
        "did you mean `first_name`?",
    ),
    ("select c.emial from customers c", "no such column: c.emial", "did you mean `email`?"),
    ("select * from zzz", "no such table: zzz", "there are `customers`, `invoices`"),
    ("select nope(1)", "no such function: nope", ""),
    ("select id from customers where id = :id", "the parameter `:id`", "var("),
    ("select * from customers c join invoices i on i.customer_id = c.id", "two columns named `id`", "`as`"),
    ("select 1 as a, 2 as a", "two columns named `a`", "`as`"),
    ("select 'a\0b'", "unrecognized token", ""),
];

#[tokio::test]
async fn what_is_not_one_reading_query_is_refused() {
    let (_folder, path) = database(TABLES);
    let before = std::fs::read(&path).unwrap();
    for (sql, message, hint) in REFUSED {
        for error in [shape(&path, sql).await.err(), extract(&path, sql).await.err()] {
            let error = error.unwrap_or_else(|| panic!("{sql:?} was taken"));
            assert_eq!(error.kind, Kind::Config, "{sql}: {error:?}");
            assert!(error.message.contains(message), "{sql}: {error}");
            assert!(error.source.is_none(), "{sql}: a cause would only say it again");
            assert!(error.hint.unwrap_or_default().contains(hint), "{sql}: {}", error.message);
        }
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[tokio::test]
async fn queries_of_every_form_are_taken() {
    let (_folder, path) = database(TABLES);
    for sql in [
        "select id from customers;",
        "  -- the customers\n select id from customers ; -- end",
        "WITH c AS (SELECT id FROM customers) SELECT * FROM c",
        "values (1)",
        "select id from customers union all select 2 limit 1",
    ] {
        let (extract, _) = extract(&path, sql).await.unwrap();
        assert_eq!(extract.rows, 1, "{sql}");
    }
}

#[tokio::test]
async fn shape_names_columns_and_their_declared_types() {
    let (_folder, path) = database(TABLES);
    let schema =
        shape(&path, "select id, first_name, total * 2 as twice, total from customers, invoices where 0")
            .await;
    let schema = schema.err().map_or_else(|| panic!("`id` is in both"), |e| e.message);
    assert!(schema.contains("ambiguous column name: id"), "{schema}");
    let schema =
        shape(&path, "select first_name, total * 2 as twice, total from customers, invoices").await.unwrap();
    let columns: Vec<_> = schema.columns.iter().map(|c| (c.name.as_str(), c.declared.as_str())).collect();
    assert_eq!(columns, [("first_name", "TEXT"), ("twice", ""), ("total", "numeric(10,2)")]);
}

#[tokio::test]
async fn shape_reads_no_rows() {
    let (_folder, path) = database("create table t (c)");
    let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) as i from n";
    assert_eq!(shape(&path, endless).await.unwrap().columns.len(), 1);
}

#[tokio::test]
async fn a_failure_in_the_middle_is_an_error() {
    let (_folder, path) = database("create table t (c); insert into t values ('{}'), ('{')");
    let error = extract(&path, "select json_extract(c, '$.a') as a from t").await.err().unwrap();
    assert!(error.message.contains("malformed JSON"), "{error}");
}
