use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::*;
use crate::contract::{Kind, RowBatch, RowSink};

#[tokio::test]
async fn rows_stream_while_the_query_runs() {
    let Some(url) = server("postgres") else { return };
    let source = source(json!({"url": url}));
    let mut sink = Keep { batches: Vec::new(), most: 3 };
    let query = Query::Sql("select i, 'x' as t from generate_series(1, 100000000) i".to_owned());
    let begun = Instant::now();
    let error = source.extract(&query, &ReadContext::fleeting("t"), &mut sink).await.unwrap_err();
    assert_eq!(error.message, "enough");
    assert!(begun.elapsed() < Duration::from_secs(30), "nothing waits for the whole result");
    let rows: usize = sink.batches.iter().map(RowBatch::len).sum();
    assert_eq!(rows, 3000);
}

#[tokio::test]
async fn what_is_given_up_ends_at_the_server() {
    let Some(url) = server("postgres") else { return };
    let client = client(&url).await;
    let source = source(json!({"url": url}));
    let query = Query::Sql("select pg_sleep(600)::text as a, 'given_up' as b".to_owned());
    let mut sink = Keep::all();
    let context = ReadContext::fleeting("given_up");
    let call = source.extract(&query, &context, &mut sink);
    assert!(tokio::time::timeout(Duration::from_millis(700), call).await.is_err());
    let running = "select count(*) from pg_stat_activity where application_name = 'outflow given_up' and state = 'active'";
    source.cancel().await.unwrap();
    for _ in 0..100 {
        let count: i64 = client.query_one(running, &[]).await.unwrap().get(0);
        if count == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the query still runs");
}

#[tokio::test]
async fn nothing_can_be_written() {
    let Some(url) = server("postgres") else { return };
    let client = client(&url).await;
    client
        .batch_execute(
            "drop table if exists outflow_kept; create table outflow_kept as select 1 as id;
             create or replace function outflow_sneaky() returns int language sql as 'delete from outflow_kept returning id';",
        )
        .await
        .unwrap();
    for (sql, code) in [
        ("delete from outflow_kept", None),
        ("with gone as (delete from outflow_kept returning id) select * from gone", Some("25006")),
        ("select outflow_sneaky() as a", Some("25006")),
        ("select 1 as a; delete from outflow_kept", Some("42601")),
        ("select nextval('x') as a", Some("42P01")),
    ] {
        let error = refused(sql).await;
        assert_eq!((error.kind, error.code.as_deref()), (Kind::Config, code), "{sql}: {error}");
    }
    let count: i64 = client.query_one("select count(*) from outflow_kept", &[]).await.unwrap().get(0);
    assert_eq!(count, 1);
}

#[tokio::test]
async fn wrong_queries_are_refused_with_their_place() {
    if server("postgres").is_none() {
        return;
    }
    for (sql, message) in [
        (
            "select\n  nope from pg_class",
            "the server refused the query in line 2, column 3: column \"nope\" does not exist",
        ),
        ("select 1 as a, 2 as a", "the query returns two columns named `a`"),
        ("select", "the query returns no columns"),
        ("select $1::int as a", "the query has 1 parameters (`$1`), which nothing fills"),
        (
            "select * from gone_table",
            "the server refused the query in line 1, column 15: relation \"gone_table\" does not exist",
        ),
        (
            "select 1 / (i - 3000) as a from generate_series(1, 5000) i",
            "the server refused the query: division by zero",
        ),
    ] {
        let error = refused(sql).await;
        assert!(error.message.ends_with(message), "{sql}: {error}");
        assert_eq!(error.kind, Kind::Config, "{sql}");
    }
}

#[tokio::test]
async fn logins_fail_with_what_to_do() {
    let Some(url) = server("postgres") else { return };
    let shape = |values: Json| async move {
        source(values).shape(&Query::Sql("select 1 as a".to_owned())).await.unwrap_err()
    };
    let wrong = shape(json!({"url": url.replace(":secret@", ":wrong@")})).await;
    assert_eq!((wrong.kind, wrong.code.as_deref()), (Kind::Auth, Some("28P01")), "{wrong}");
    let none = shape(json!({"url": url.replace(":secret@", "@")})).await;
    assert_eq!(none.kind, Kind::Auth, "{none}");
    let nowhere = shape(json!({"url": "postgresql://ann:x@127.0.0.1:1/x"})).await;
    assert_eq!(nowhere.kind, Kind::Unavailable, "{nowhere}");
    assert!(nowhere.hint.unwrap().contains("`host` and `port`"));
    let base = url.rsplit_once('/').unwrap().0;
    let database = shape(json!({"url": format!("{base}/nope")})).await;
    assert_eq!((database.kind, database.code.as_deref()), (Kind::Config, Some("3D000")), "{database}");
}

#[tokio::test]
async fn sslmode_checks_what_it_says() {
    let (Some(url), Some(ca)) = (server("postgres"), server("postgres_ca")) else { return };
    let by_name = url.replace("127.0.0.1", "localhost");
    let encrypted = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    let read_ssl = |values: Json| async move { read(&source(values), encrypted).await };
    for (url, mode, file, ends) in [
        (&url, "disable", None, Ok("Bool(false)")),
        (&url, "prefer", None, Ok("Bool(true)")),
        (&url, "require", None, Ok("Bool(true)")),
        (&url, "verify-ca", None, Err("certificate")),
        (&url, "verify-ca", Some(&ca), Ok("Bool(true)")),
        (&url, "verify-full", Some(&ca), Err("certificate")),
        (&by_name, "verify-full", Some(&ca), Ok("Bool(true)")),
    ] {
        let mut values = json!({"url": format!("{url}?sslmode={mode}")});
        if let Some(file) = file {
            values["url"] = format!("{url}?sslmode={mode}&sslrootcert={file}").into();
        }
        match (read_ssl(values).await, ends) {
            (Ok(rows), Ok(cell)) => assert_eq!(rows, [[cell]], "{mode}"),
            (Err(error), Err(word)) => {
                assert!(error.message.contains(word) && error.kind == Kind::Config, "{mode}: {error}");
            }
            (other, _) => panic!("{mode} {file:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_long_query_ends_at_its_timeout() {
    let Some(url) = server("postgres") else { return };
    let source = source(json!({"url": url, "statement_timeout": "200ms"}));
    let error = read(&source, "select pg_sleep(60)::text as a").await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Unavailable, Some("57014")), "{error}");
    assert!(error.hint.unwrap().contains("statement_timeout"));
}

/// Ends the session of the source when the first batch arrives.
struct CutsOff {
    client: tokio_postgres::Client,
    rows: usize,
}

#[async_trait]
impl RowSink for CutsOff {
    async fn accept(&mut self, batch: RowBatch) -> Result<(), ConnectorError> {
        if self.rows == 0 {
            let kill = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'outflow cut_off'";
            self.client.query(kill, &[]).await.unwrap();
        }
        self.rows += batch.len();
        Ok(())
    }
}

#[tokio::test]
async fn a_result_that_breaks_off_is_an_error() {
    let Some(url) = server("postgres") else { return };
    let mut sink = CutsOff { client: client(&url).await, rows: 0 };
    let source = source(json!({"url": url}));
    let query = Query::Sql("select i, repeat('x', 100) as t from generate_series(1, 3000000) i".to_owned());
    let error = source.extract(&query, &ReadContext::fleeting("cut_off"), &mut sink).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable, "{error}");
    assert!(sink.rows > 0 && sink.rows < 3_000_000);
}

#[tokio::test]
async fn one_snapshot_is_read_whatever_is_written_meanwhile() {
    let Some(url) = server("postgres") else { return };
    let client = client(&url).await;
    client
        .batch_execute("drop table if exists outflow_moving; create table outflow_moving as select i as id from generate_series(1, 20000) i")
        .await
        .unwrap();
    struct Writes(tokio_postgres::Client, usize);
    #[async_trait]
    impl RowSink for Writes {
        async fn accept(&mut self, batch: RowBatch) -> Result<(), ConnectorError> {
            self.0.batch_execute("delete from outflow_moving where id % 2 = 0").await.unwrap();
            self.1 += batch.len();
            Ok(())
        }
    }
    let mut sink = Writes(client, 0);
    let source = source(json!({"url": url}));
    let query = Query::Sql("select id from outflow_moving".to_owned());
    let extract = source.extract(&query, &ReadContext::fleeting("t"), &mut sink).await.unwrap();
    assert_eq!((extract.rows, extract.announced, sink.1), (20_000, Some(20_000), 20_000));
}
