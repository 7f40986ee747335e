//! The source against a real server: MariaDB of Debian's packages.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use serde_json::{Value as Json, json};

use super::CONNECTOR;
use crate::contract::{ConnectorError, Kind, Query, ReadContext, Source};
use crate::registry::{Limits, Settings};
use crate::testing::{Keep, server};

fn source(values: Json) -> Arc<dyn Source> {
    let settings = Settings {
        connection: "wh".to_owned(),
        values: values.as_object().cloned().unwrap_or_default(),
        base_url: None,
        sandbox: false,
        limits: Limits::default(),
        environment: BTreeMap::new(),
    };
    CONNECTOR.source.unwrap()(&settings).unwrap()
}

async fn client(url: &str) -> Conn {
    Conn::from_url(url).await.unwrap()
}

async fn read(source: &Arc<dyn Source>, sql: &str) -> Result<Vec<Vec<String>>, ConnectorError> {
    let mut kept = Keep::all();
    let query = Query::Sql(sql.to_owned());
    source.extract(&query, &ReadContext::fleeting("people"), &mut kept).await?;
    Ok(kept.rows())
}

async fn refused(sql: &str) -> ConnectorError {
    let source = source(json!({"url": server("mysql").unwrap()}));
    match source.shape(&Query::Sql(sql.to_owned())).await {
        Err(error) => error,
        Ok(_) => read(&source, sql).await.expect_err(sql),
    }
}

/// A column's type, a literal of it, and its cell.
const CELLS: &[(&str, &str, &str)] = &[
    ("int", "null", "Null"),
    ("boolean", "true", "Bool(true)"),
    ("tinyint", "-128", "Integer(-128)"),
    ("smallint", "-32768", "Integer(-32768)"),
    ("mediumint", "8388607", "Integer(8388607)"),
    ("int unsigned", "4294967295", "Integer(4294967295)"),
    ("bigint", "-9223372036854775808", "Integer(-9223372036854775808)"),
    ("bigint unsigned", "18446744073709551615", "Decimal { digits: 18446744073709551615, scale: 0 }"),
    ("decimal(10,2)", "12.50", "Decimal { digits: 1250, scale: 2 }"),
    (
        "decimal(38,0)",
        "-99999999999999999999999999999999999999",
        "Decimal { digits: -99999999999999999999999999999999999999, scale: 0 }",
    ),
    (
        "decimal(65,30)",
        "12345678901234567890123456789012345.5",
        "Text(\"12345678901234567890123456789012345.500000000000000000000000000000\")",
    ),
    ("float", "1.1", "Float(1.1)"),
    ("double", "0.1", "Float(0.1)"),
    ("varchar(20)", "'zoë😀'", "Text(\"zoë😀\")"),
    ("char(3)", "'ab'", "Text(\"ab\")"),
    ("longtext", "'long'", "Text(\"long\")"),
    ("varbinary(4)", "x'c0ff'", "Bytes([192, 255])"),
    ("blob", "x'00'", "Bytes([0])"),
    ("enum('a','b')", "'b'", "Text(\"b\")"),
    ("set('a','b')", "'a,b'", "Text(\"a,b\")"),
    ("bit(1)", "b'1'", "Bool(true)"),
    ("bit(12)", "b'101000000001'", "Integer(2561)"),
    ("year", "2026", "Integer(2026)"),
    ("date", "'0001-01-01'", "Date(0001-01-01)"),
    ("date", "'9999-12-31'", "Date(9999-12-31)"),
    ("date", "'0000-00-00'", "Malformed(\"there is no day 0000-00-00\")"),
    ("datetime(6)", "'2024-01-02 03:04:05.678901'", "DateTime(2024-01-02T03:04:05.678901)"),
    ("timestamp(6) null", "'2024-01-02 03:04:05.5'", "Timestamp(2024-01-02T03:04:05.5Z)"),
    ("time(6)", "'10:11:12.5'", "Text(\"10:11:12.5\")"),
    ("time", "'-838:59:59'", "Text(\"-838:59:59\")"),
    ("json", "'{\"a\": 1}'", "Text(\"{\\\"a\\\": 1}\")"),
    ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "Text(\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\")"),
];

#[tokio::test]
async fn every_type_has_its_cell() {
    let Some(url) = server("mysql") else { return };
    let mut client = client(&url).await;
    client.query_drop("set session time_zone = '+00:00', sql_mode = ''").await.unwrap();
    client.query_drop("drop table if exists outflow_types").await.unwrap();
    let columns: Vec<String> =
        CELLS.iter().enumerate().map(|(at, (kind, ..))| format!("c{at} {kind}")).collect();
    client.query_drop(format!("create table outflow_types ({})", columns.join(", "))).await.unwrap();
    let values: Vec<&str> = CELLS.iter().map(|(_, value, _)| *value).collect();
    client.query_drop(format!("insert into outflow_types values ({})", values.join(", "))).await.unwrap();
    let rows = read(&source(json!({"url": url})), "select * from outflow_types").await.unwrap();
    for ((kind, value, expected), cell) in CELLS.iter().zip(&rows[0]) {
        assert_eq!(cell, expected, "{kind} {value}");
    }
    let error = refused("select 1 as id, point(1, 2) as p").await;
    assert_eq!(error.message, "column `p` is of type `geometry`, which cannot be read");
}

#[tokio::test]
async fn nothing_can_be_written() {
    let Some(url) = server("mysql") else { return };
    let mut client = client(&url).await;
    client.query_drop("create or replace table outflow_kept as select 1 as id").await.unwrap();
    client.query_drop("drop function if exists outflow_sneaky").await.unwrap();
    let sneaky = "create function outflow_sneaky() returns int deterministic begin delete from outflow_kept; return 1; end";
    client.query_drop(sneaky).await.unwrap();
    for (sql, code) in [
        ("delete from outflow_kept", None),
        ("select outflow_sneaky() as a", Some("1792")),
        ("select 1 as a; delete from outflow_kept", Some("1064")),
        ("select id into outfile '/tmp/outflow_out' from outflow_kept", None),
    ] {
        let error = refused(sql).await;
        assert_eq!((error.kind, error.code.as_deref()), (Kind::Config, code), "{sql}: {error}");
    }
    let count: Option<u64> = client.query_first("select count(*) from outflow_kept").await.unwrap();
    assert_eq!(count, Some(1));
}

#[tokio::test]
async fn wrong_queries_and_logins_are_refused_with_what_to_do() {
    let Some(url) = server("mysql") else { return };
    for (sql, message) in [
        ("select nope from mysql.user", "the server refused the query: Unknown column 'nope'"),
        ("select 1 as a, 2 as a", "the query returns two columns named `a`"),
        ("select ? as a", "the query has 1 parameters (`?`), which nothing fills"),
        ("select * from gone_table", "Table 'wh.gone_table' doesn't exist"),
    ] {
        let error = refused(sql).await;
        assert!(error.message.contains(message) && error.kind == Kind::Config, "{sql}: {error}");
    }
    let shape = |values: Json| async move {
        source(values).shape(&Query::Sql("select 1 as a".to_owned())).await.unwrap_err()
    };
    let wrong = shape(json!({"url": url.replace(":secret@", ":wrong@")})).await;
    assert_eq!((wrong.kind, wrong.code.as_deref()), (Kind::Auth, Some("1045")), "{wrong}");
    let nowhere = shape(json!({"url": "mysql://ann:x@127.0.0.1:1/x"})).await;
    assert_eq!(nowhere.kind, Kind::Unavailable, "{nowhere}");
    let database = shape(json!({"url": url.replace("/wh", "/nope")})).await;
    assert_eq!((database.kind, database.code.as_deref()), (Kind::Config, Some("1049")), "{database}");
}

#[tokio::test]
async fn rows_stream_and_what_is_given_up_ends_at_the_server() {
    let Some(url) = server("mysql") else { return };
    let source = source(json!({"url": url}));
    let mut sink = Keep { batches: Vec::new(), most: 3 };
    let query = Query::Sql("select seq as i, 'given_up' as t from seq_1_to_1000000000".to_owned());
    let begun = Instant::now();
    let error = source.extract(&query, &ReadContext::fleeting("t"), &mut sink).await.unwrap_err();
    assert_eq!(error.message, "enough");
    assert!(begun.elapsed() < Duration::from_secs(30), "nothing waits for the whole result");
    source.cancel().await.unwrap();
    let mut client = client(&url).await;
    let running = "select count(*) from information_schema.processlist where info like '%given\\_up%seq%' and id <> connection_id()";
    for _ in 0..100 {
        let count: Option<u64> = client.query_first(running).await.unwrap();
        if count == Some(0) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the query still runs");
}

#[tokio::test]
async fn a_long_query_ends_at_its_timeout() {
    let Some(url) = server("mysql") else { return };
    let source = source(json!({"url": url, "statement_timeout": "300ms"}));
    let error = read(&source, "select max(a.seq * b.seq) as a from seq_1_to_100000 a, seq_1_to_100000 b")
        .await
        .unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Unavailable, Some("1969")), "{error}");
}

#[tokio::test]
async fn sslmode_checks_what_it_says() {
    let (Some(url), Some(ca)) = (server("mysql"), server("mysql_ca")) else { return };
    let by_name = url.replace("127.0.0.1", "localhost");
    let encrypted = "select variable_value <> '' as on_ from information_schema.session_status where variable_name = 'ssl_version'";
    for (url, mode, file, ends) in [
        (&url, "disable", None, Ok("Integer(0)")),
        (&url, "prefer", None, Ok("Integer(1)")),
        (&url, "require", None, Ok("Integer(1)")),
        (&by_name, "verify-full", None, Err("certificate")),
        (&url, "verify-full", Some(&ca), Err("certificate")),
        (&by_name, "verify-full", Some(&ca), Ok("Integer(1)")),
    ] {
        let root = file.map_or_else(String::new, |file| format!("&sslrootcert={file}"));
        let result = read(&source(json!({"url": format!("{url}?sslmode={mode}{root}")})), encrypted).await;
        match (result, ends) {
            (Ok(rows), Ok(cell)) => assert_eq!(rows, [[cell]], "{mode}"),
            (Err(error), Err(word)) => {
                assert!(error.message.contains(word) && error.kind == Kind::Config, "{mode}: {error}");
            }
            (other, _) => panic!("{mode} {file:?}: {other:?}"),
        }
    }
}
