use super::*;

const TABLES: &str = "create table customers (id integer primary key, first_name text, email text);
    create table invoices (id integer primary key, customer_id integer, total decimal(10,2));
    insert into customers values (1, 'Ana', 'a@example.com')";

/// Query, part of the message, part of the hint.
const REFUSED: &[(&str, &str, &str)] = &[
    ("", "the query is empty", "select"),
    (" -- nothing\n/* here */ ", "the query is empty", "select"),
    ("select 1; select 2", "more than one statement", "one `select`"),
    ("select 1; copy customers to 'FOLDER/out.csv'", "more or other than one `select`", "only read"),
    ("select ';'; drop table customers; select $$;$$", "more or other than one `select`", "only read"),
    ("with x as (select 1) delete from customers", "more or other than one `select`", "only read"),
    ("with x as (select 1) insert into customers select 2, 'b', 'c'", "more or other", "only read"),
    ("select ['x']::enum('x')[] as e; copy customers to 'FOLDER/out.csv'", "", "only read"),
    ("select ['x']::enum('x')[] as e; select 1", "", "select"),
    ("delete from customers", "`delete` is not a query", "only read"),
    ("copy customers to 'FOLDER/out.csv'", "`copy` is not a query", "only read"),
    ("create table x (a integer)", "`create` is not a query", "only read"),
    ("pragma version", "`pragma` is not a query", "only read"),
    ("set threads = 1", "`set` is not a query", "only read"),
    ("install httpfs", "`install` is not a query", "only read"),
    ("load httpfs", "`load` is not a query", "only read"),
    ("attach 'FOLDER/other.duckdb' as other", "`attach` is not a query", "only read"),
    ("export database 'FOLDER/out'", "`export` is not a query", "only read"),
    ("select * from query('copy customers to ''FOLDER/out.csv''')", "single SELECT", ""),
    ("with x as (select 1) selekt 1", "in line 1, column 22: syntax error at or near \"selekt\"", ""),
    ("select (1", "syntax error at end of input", ""),
    (
        "select\n  * from custmers",
        "in line 2, column 10: Table with name custmers does not exist!",
        "did you mean `customers`?",
    ),
    (
        "select emial from customers",
        "in line 1, column 8: Referenced column \"emial\" not found in FROM clause!",
        "did you mean `email`",
    ),
    ("select nope(1)", "Function with name nope does not exist!", ""),
    ("select id from customers where id = $id", "the parameter `$id`", "var("),
    ("select id from customers where id = ?", "the parameter `$1`", "var("),
    ("select * from customers c join invoices i on true", "two columns named `id`", "`as`"),
    ("select 'a\0b'", "NUL character", ""),
    (
        "select * from read_parquet('s3://bucket/x.parquet')",
        "requires the extension httpfs",
        "copy the files to this machine",
    ),
    (
        "select * from 'https://example.com/x.parquet'",
        "requires the extension httpfs",
        "copy the files to this machine",
    ),
    ("select * from sqlite_scan('a', 'b')", "sqlite_scanner extension", "`extensions`"),
    ("select * from read_parquet('FOLDER/none.parquet')", "No files found", ""),
];

#[tokio::test]
async fn what_is_not_one_reading_query_is_refused() {
    let (folder, path) = database(TABLES);
    let before = std::fs::read(&path).unwrap();
    for place in [path.clone(), memory()] {
        for (sql, message, hint) in REFUSED {
            let sql = &sql.replace("FOLDER", &folder.path().to_string_lossy());
            for error in [shape(&place, sql).await.err(), extract(&place, sql).await.err()] {
                let error = error.unwrap_or_else(|| panic!("{sql:?} was taken"));
                assert_eq!(error.kind, Kind::Config, "{sql}: {error:?}");
                if place == path {
                    assert!(error.message.contains(message), "{sql}: {error}");
                    let said = error.hint.unwrap_or_default();
                    assert!(said.contains(hint), "{sql}: {} ({said})", error.message);
                }
            }
        }
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn queries_of_every_form_are_taken() {
    let (_folder, path) = database(TABLES);
    for sql in [
        "select id from customers;",
        "  -- the customers\n select id from customers ; -- end",
        "WITH c AS (SELECT id FROM customers) SELECT * FROM c",
        "values (1)",
        "from customers",
        "table customers",
        "(select id from customers)",
        "select id from customers union all select 2 limit 1",
        "select ';' as a, $$;$$ as b",
        "select * from query('select 1 as one')",
    ] {
        let schema = shape(&path, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let (extract, kept) = extract(&path, sql).await.unwrap();
        assert_eq!((extract.rows, &schema), (1, kept.batches[0].schema()), "{sql}");
    }
}

#[tokio::test]
async fn shape_runs_nothing() {
    let endless = "select count(*) as n from range(100000000000) a, range(100000000000) b";
    let schema = shape(&memory(), endless).await.unwrap();
    let columns: Vec<_> = schema.columns.iter().map(|c| (c.name.as_str(), c.declared.as_str())).collect();
    assert_eq!(columns[0], ("n", "BIGINT"));
}

#[tokio::test]
async fn the_settings_are_locked_and_nothing_loads() {
    let settings = "select name, value from duckdb_settings() where name in ('allow_unsigned_extensions', \
        'autoinstall_known_extensions', 'autoload_known_extensions', 'lock_configuration', 'threads', 'TimeZone') order by lower(name)";
    let (_, kept) = extract(&memory(), settings).await.unwrap();
    let values: Vec<String> = kept.rows().iter().map(|row| row.join("=")).collect();
    assert_eq!(
        values,
        [
            "Text(\"allow_unsigned_extensions\")=Text(\"false\")",
            "Text(\"autoinstall_known_extensions\")=Text(\"false\")",
            "Text(\"autoload_known_extensions\")=Text(\"false\")",
            "Text(\"lock_configuration\")=Text(\"true\")",
            "Text(\"threads\")=Text(\"2\")",
            "Text(\"TimeZone\")=Text(\"UTC\")",
        ]
    );
}

#[tokio::test]
async fn an_empty_folder_of_extensions_downloads_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let source = make(json!({"path": ":memory:", "extensions": folder.path()})).unwrap();
    let sql = "select * from read_parquet('s3://bucket/x.parquet')";
    let error = read(source.as_ref(), sql).await.err().unwrap();
    assert_eq!(error.kind, Kind::Config);
    assert!(error.hint.unwrap().contains("nothing is downloaded"), "{}", error.message);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_failure_in_the_middle_is_an_error() {
    let sql = "select case when i = 100000 then error('bad row') else i end as n from range(200000) r(i)";
    let error = extract(&memory(), sql).await.err().unwrap();
    assert!(error.message.contains("bad row"), "{error}");
    assert_eq!(error.kind, Kind::Config);
}
