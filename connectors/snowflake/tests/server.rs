//! Against `.ci/services/snowflake`: a database behind Snowflake's protocol.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

use super::*;
use crate::contract::{Extract, Kind, QueryHandles, RowBatch, RowSink};
use crate::testing::{Keep, server};

const MANY: &str =
    "select seq4() as id, 'user' || seq4() as name from table(generator(rowcount => 50000)) order by id";

fn json_server() -> Option<String> {
    server("snowflake_json")
}

async fn read(address: &str, sql: &str) -> (Result<Extract, ConnectorError>, Keep) {
    let source = open(with(json!({})), Some(address)).unwrap();
    let mut keep = Keep::all();
    let result = source.extract(&Query::Sql(sql.to_owned()), &context(), &mut keep).await;
    (result, keep)
}

async fn log(address: &str) -> Json {
    reqwest::get(format!("{address}/test/log")).await.unwrap().json().await.unwrap()
}

/// Keeps what it is given.
#[derive(Default)]
struct Stored(Mutex<Vec<String>>);

#[async_trait]
impl QueryHandles for Stored {
    async fn store(&self, handle: &str) -> Result<(), ConnectorError> {
        self.0.lock().unwrap().push(handle.to_owned());
        Ok(())
    }
}

#[tokio::test]
async fn a_server_that_answers_in_arrow_is_refused_and_not_read_as_empty() {
    let Some(address) = server("snowflake") else { return };
    let (result, keep) = read(&address, "select 1 as a").await;
    let error = result.unwrap_err();
    assert!(error.message.contains("unsupported result format"), "{error}");
    assert!(keep.batches.is_empty());
}

#[tokio::test]
async fn every_type_keeps_its_value() {
    let Some(address) = json_server() else { return };
    let sql = "select 7::number(38,0) as whole, 12.50::number(12,2) as amount, 1.5::float as ratio, 'nan'::float as no,
        'zoë😀' || chr(10) || '\"x\"' as name, true as yes, '2024-01-02'::date as day,
        '10:11:12.5'::time as clock, '2024-01-02 03:04:05.678901'::timestamp_ntz as wall,
        '2024-01-02 03:04:05 +02:00'::timestamp_tz as zoned,
        parse_json('{\"k\":[1,2]}') as v, array_construct(1,2)::array as list, object_construct('a',1) as obj,
        hex_decode_binary('C0FFEE') as raw, '0001-01-01'::date as first, '9999-12-31'::date as last, null as nothing,
        '9999-12-31 23:59:59'::timestamp_ntz as late, '0001-01-01 00:00:00.000001'::timestamp_ntz as early";
    // The conversions of times are the database's own there.
    let source = open(with(json!({"database": "DB1", "schema": "S1"})), Some(&address)).unwrap();
    let schema = shape(&*source, sql).await.unwrap();
    let columns: Vec<String> = schema.columns.iter().map(|c| format!("{} {}", c.name, c.declared)).collect();
    assert_eq!(columns[..4], ["WHOLE NUMBER(38,0)", "AMOUNT NUMBER(12,2)", "RATIO FLOAT", "NO FLOAT"]);
    assert!(columns[4].starts_with("NAME VARCHAR("), "{columns:?}");
    assert_eq!(columns[6], "DAY DATE");
    assert_eq!(columns[8], "WALL TIMESTAMP_NTZ(9)");

    let mut keep = Keep::all();
    let result = source.extract(&Query::Sql(sql.to_owned()), &context(), &mut keep).await;
    assert_eq!(result.unwrap(), Extract { rows: 1, announced: None });
    let rows = keep.rows();
    for (at, cell) in [
        (0, "Integer(7)"),
        (1, "Decimal { digits: 1250, scale: 2 }"),
        (2, "Float(1.5)"),
        (3, "Float(NaN)"),
        (4, "Text(\"zoë😀\\n\\\"x\\\"\")"),
        (5, "Bool(true)"),
        (6, "Date(2024-01-02)"),
        (7, "Text(\"10:11:12.5\")"),
        (8, "DateTime(2024-01-02T03:04:05.678901)"),
        (9, "Timestamp(2024-01-02T01:04:05Z)"),
        (13, "Bytes([192, 255, 238])"),
        (14, "Date(0001-01-01)"),
        (15, "Date(9999-12-31)"),
        (16, "Null"),
        (17, "DateTime(9999-12-31T23:59:59)"),
        (18, "DateTime(0001-01-01T00:00:00.000001)"),
    ] {
        assert_eq!(rows[0][at], cell, "{}", columns[at]);
    }
    assert!(rows[0][10].starts_with("Json(") && rows[0][10].contains("k"), "{}", rows[0][10]);
    assert!(rows[0][11].starts_with("List("), "{}", rows[0][11]);
    assert!(rows[0][12].starts_with("Json("), "{}", rows[0][12]);
}

#[tokio::test]
async fn partitions_come_in_order_and_are_counted() {
    let Some(address) = json_server() else { return };
    let (result, keep) = read(&address, MANY).await;
    assert_eq!(result.unwrap(), Extract { rows: 50_000, announced: Some(50_000) });
    assert!(keep.batches.iter().all(|batch| batch.len() <= 1_000));
    let rows = keep.rows();
    assert!(rows.iter().enumerate().all(|(at, row)| row[0] == format!("Integer({at})")));
    assert_eq!(rows[49_999][1], "Text(\"user49999\")");
    let (result, keep) = read(&address, "select 1 as a where false").await;
    assert_eq!((result.unwrap().rows, keep.batches.len()), (0, 0));
}

#[tokio::test]
async fn a_partition_that_fails_is_never_fewer_rows() {
    let Some(address) = json_server() else { return };
    for (fault, kind) in [("forbidden", Kind::Unavailable), ("garbage", Kind::Internal)] {
        let (result, keep) = read(&address, &format!("{MANY} /*chunk {fault}*/")).await;
        let error = result.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(!format!("{error:?}{error}").contains("top-secret"), "{error:?}");
        assert_eq!(error.context.first().map(|(name, _)| *name), Some("query id"));
        assert!(keep.rows().len() < 50_000);
    }
    let (result, _) = read(&address, &format!("{MANY} /*chunk short*/")).await;
    assert_eq!(result.unwrap(), Extract { rows: 49_999, announced: Some(50_000) });
    let (result, _) = read(&address, &format!("{MANY} /*chunk busy*/")).await;
    assert_eq!(result.unwrap(), Extract { rows: 50_000, announced: Some(50_000) });
}

#[tokio::test]
async fn a_sink_that_wants_no_more_ends_it() {
    let Some(address) = json_server() else { return };
    let source = open(with(json!({})), Some(&address)).unwrap();
    let mut keep = Keep { batches: Vec::new(), most: 2 };
    let error = source.extract(&Query::Sql(MANY.to_owned()), &context(), &mut keep).await.unwrap_err();
    assert_eq!((&*error.message, keep.batches.len()), ("enough", 2));
}

#[tokio::test]
async fn a_long_query_is_waited_for() {
    let Some(address) = json_server() else { return };
    let (result, _) = read(&address, "select 1 as a /*slow 3*/").await;
    assert_eq!(result.unwrap().rows, 1);
}

#[tokio::test]
async fn a_query_that_is_given_up_is_cancelled() {
    let Some(address) = json_server() else { return };
    let source = open(with(json!({})), Some(&address)).unwrap();
    let reading = {
        let source = source.clone();
        tokio::spawn(async move {
            let query = Query::Sql("select 1 as a /*slow forever*/".to_owned());
            source.extract(&query, &context(), &mut Keep::all()).await
        })
    };
    tokio::time::sleep(Duration::from_secs(2)).await;
    source.cancel().await.unwrap();
    let error = reading.await.unwrap().unwrap_err();
    assert_eq!(error.code.as_deref(), Some("000604"), "{error}");
    source.cancel().await.unwrap();
}

#[tokio::test]
async fn what_an_earlier_run_left_is_ended_first() {
    let Some(address) = json_server() else { return };
    let stored = Arc::new(Stored::default());
    let first = open(with(json!({})), Some(&address)).unwrap();
    let mut earlier = ReadContext { handles: stored.clone(), ..context() };
    let context = earlier.clone();
    let running = tokio::spawn(async move {
        let query = Query::Sql("select 2 as a /*slow forever*/".to_owned());
        first.extract(&query, &context, &mut Keep::all()).await
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    let left = stored.0.lock().unwrap()[0].clone();
    assert!(left.bytes().all(|b| b.is_ascii_digit()), "{left}");

    earlier.left = Some(left.clone());
    let second = open(with(json!({})), Some(&address)).unwrap();
    let query = Query::Sql("select 3 as a".to_owned());
    let extract = second.extract(&query, &earlier, &mut Keep::all()).await.unwrap();
    assert_eq!(extract.rows, 1);
    let error = running.await.unwrap().unwrap_err();
    assert_eq!(error.code.as_deref(), Some("000604"), "{error}");
    assert!(log(&address).await["cancelled"].as_array().unwrap().contains(&json!(left)));

    // A handle that is none of ours is never put into SQL.
    earlier.left = Some("1); drop table t; --".to_owned());
    assert_eq!(second.extract(&query, &earlier, &mut Keep::all()).await.unwrap().rows, 1);
}

#[tokio::test]
async fn the_session_is_opened_as_the_connection_says() {
    let Some(address) = json_server() else { return };
    let values = with(json!({
        "user": "tagged", "warehouse": "WH", "role": "LOADER", "statement_timeout": "10m"
    }));
    let source = open(values, Some(&address)).unwrap();
    let context = ReadContext { run_id: Some("r-9".to_owned()), ..context() };
    let query = Query::Sql("select 1 as a".to_owned());
    source.extract(&query, &context, &mut Keep::all()).await.unwrap();
    let log = log(&address).await;
    let logins = log["logins"].as_array().unwrap();
    let mine = logins.iter().rev().find(|login| login["user"] == "tagged").unwrap();
    assert_eq!(mine["query"], json!({"warehouse": "WH", "roleName": "LOADER"}));
    let tag: Json = serde_json::from_str(mine["parameters"]["QUERY_TAG"].as_str().unwrap()).unwrap();
    assert_eq!(tag, json!({"app": "outflow", "sync": "contacts", "run": "r-9"}));
    assert_eq!(mine["parameters"]["STATEMENT_TIMEOUT_IN_SECONDS"], 600);
}

#[tokio::test]
async fn each_way_to_log_in_is_checked_by_the_server() {
    let Some(address) = json_server() else { return };
    let works = async |changes: Json| {
        let source = open(with(changes), Some(&address)).unwrap();
        shape(&*source, "select 1 as a").await.map(|_| ()).map_err(|error| error.code.unwrap_or_default())
    };
    let refused = |code: &str| Err(code.to_owned());
    assert_eq!(works(json!({})).await, Ok(()));
    assert_eq!(works(json!({"password": "wrong"})).await, refused("390100"));
    assert_eq!(works(json!({"user": "blocked"})).await, refused("390422"));
    assert_eq!(works(json!({"role": "STRANGER"})).await, refused("390189"));
    let token = |token: &str, kind: &str| json!({"password": null, "token": token, "token_type": kind});
    assert_eq!(works(token("oauth-token", "oauth")).await, Ok(()));
    assert_eq!(works(token("expired", "oauth")).await, refused("390318"));
    assert_eq!(works(token("programmatic-token", "programmatic")).await, Ok(()));
    assert_eq!(works(token("programmatic-token", "oauth")).await, refused("390303"));
}

#[tokio::test]
async fn a_key_pair_logs_in_encrypted_or_not() {
    let Some(address) = json_server() else { return };
    let folder = tempfile::tempdir().unwrap();
    let openssl = |arguments: &str| {
        let mut command = std::process::Command::new("openssl");
        assert!(command.args(arguments.split(' ')).current_dir(&folder).output().unwrap().status.success());
    };
    openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out plain.p8");
    openssl("pkcs8 -topk8 -v2 aes-256-cbc -in plain.p8 -passout pass:hush -out locked.p8");
    openssl("pkcs8 -topk8 -v2 des3 -in plain.p8 -passout pass:hush -out old.p8");
    openssl("rsa -in plain.p8 -pubout -out public.pem");
    openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out other.p8");
    let public = std::fs::read(folder.path().join("public.pem")).unwrap();
    let registered =
        reqwest::Client::new().put(format!("{address}/test/key/keyed")).body(public).send().await;
    assert!(registered.unwrap().status().is_success());

    let works = async |file: &str, passphrase: Json| {
        let file = folder.path().join(file).to_string_lossy().into_owned();
        let values =
            json!({"user": "Keyed", "password": null, "private_key_file": file, "passphrase": passphrase});
        let source = open(with(values), Some(&address)).map_err(|error| error.message)?;
        let shape = shape(&*source, "select 1 as a").await;
        shape.map(|_| ()).map_err(|error| error.code.unwrap_or(error.message))
    };
    assert_eq!(works("plain.p8", Json::Null).await, Ok(()));
    assert_eq!(works("locked.p8", json!("hush")).await, Ok(()));
    assert_eq!(works("other.p8", Json::Null).await, Err("390144".to_owned()));
    let wrong = works("locked.p8", json!("wrong")).await.unwrap_err();
    assert!(wrong.contains("private key of user `Keyed` cannot be read"), "{wrong}");
    assert!(works("old.p8", json!("hush")).await.unwrap_err().contains("triple DES"));
}

#[tokio::test]
async fn what_the_database_refuses_comes_with_its_code() {
    let Some(address) = json_server() else { return };
    let source = open(with(json!({"database": "DB1", "schema": "S1"})), Some(&address)).unwrap();
    for (sql, code) in
        [("selec", ""), ("select * from nope", "002003"), ("select 1 as a /*fail 000606*/", "000606")]
    {
        let error = shape(&*source, sql).await.unwrap_err();
        assert_eq!(error.code.as_deref().unwrap_or_default(), code, "{sql}: {error}");
        assert_eq!(error.kind, Kind::Config, "{sql}: {error}");
    }
    // A comment at the end and a semicolon are part of many a query.
    assert_eq!(shape(&*source, "select 1 as a;\n").await.unwrap().columns[0].name, "A");
    assert_eq!(shape(&*source, "select 1 as a -- all").await.unwrap().columns[0].name, "A");
}

/// Drops what it is given, and remembers how much memory the process had most of.
struct Discard(u64);

#[async_trait]
impl RowSink for Discard {
    async fn accept(&mut self, batch: RowBatch) -> Result<(), ConnectorError> {
        self.0 += batch.len() as u64;
        Ok(())
    }
}

#[tokio::test]
#[ignore = "to be run alone: it looks at the memory of the whole process"]
async fn a_million_rows_take_little_memory() {
    let Some(address) = json_server() else { return };
    let sql = MANY.replace("50000", "1000000");
    let source = open(with(json!({})), Some(&address)).unwrap();
    let mut sink = Discard(0);
    let extract = source.extract(&Query::Sql(sql), &context(), &mut sink).await.unwrap();
    assert_eq!((extract.rows, extract.announced, sink.0), (1_000_000, Some(1_000_000), 1_000_000));
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
    let kilobytes: u64 = peak.split(' ').next().unwrap().parse().unwrap();
    eprintln!("peak memory: {kilobytes} kB");
    assert!(kilobytes < 150_000, "{kilobytes} kB");
}
