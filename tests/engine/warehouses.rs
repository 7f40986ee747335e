//! Real servers as warehouses: the same rows have the same fingerprints wherever they come from, and no query outlives its run.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use outflow_connectors::contract::Cell;
use outflow_connectors::sql::Dialect;
use tempfile::TempDir;

use super::lab::counts;
use crate::support::{outflow, server};

/// Rows of one logical table; a text at the end is JSON.
fn table() -> Vec<Vec<Cell<'static>>> {
    let date = |text: &str| Cell::Date(text.parse().unwrap());
    let wall = |text: &str| Cell::DateTime(text.parse().unwrap());
    let decimal = |digits, scale| Cell::Decimal { digits, scale };
    vec![
        vec![
            Cell::Integer(1),
            Cell::Text("zoë 😀 \"q\" it's \\ back"),
            decimal(1250, 2),
            Cell::Float(0.1),
            Cell::Bool(true),
            date("2024-01-02"),
            wall("2024-01-02T03:04:05.678901"),
            Cell::Text("{\"b\":[1,2.50],\"a\":null}"),
        ],
        vec![
            Cell::Integer(-9_007_199_254_740_993),
            Cell::Text(""),
            decimal(-9_999_999_999_999, 2),
            Cell::Float(-1.5e10),
            Cell::Bool(false),
            date("0001-01-01"),
            wall("2024-02-29T23:59:59"),
            Cell::Text("[1]"),
        ],
        vec![
            Cell::Integer(3),
            Cell::Text("plain"),
            decimal(0, 2),
            Cell::Float(0.0),
            Cell::Bool(false),
            date("9999-12-31"),
            wall("1969-12-31T23:59:59.5"),
            Cell::Text("{}"),
        ],
        vec![
            Cell::Integer(4),
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
            Cell::Null,
        ],
    ]
}

const NAMES: [&str; 8] = ["id", "name", "amount", "ratio", "active", "born", "seen", "notes"];

/// A query that gives the table's rows, in the words of one warehouse.
fn query(dialect: Dialect, json: fn(String) -> String) -> String {
    let rows = table().into_iter().enumerate().map(|(at, row)| {
        let cells = row.into_iter().zip(NAMES).map(|(cell, name)| {
            let literal = dialect.literal(cell).unwrap_or_else(|| "null".to_owned());
            let literal = if name == "notes" && cell != Cell::Null { json(literal) } else { literal };
            if at == 0 { format!("{literal} as {name}") } else { literal }
        });
        format!("select {}", cells.collect::<Vec<_>>().join(", "))
    });
    rows.collect::<Vec<_>>().join("\nunion all ")
}

/// Where rows can be read from here: a connection, and the query there.
fn warehouses() -> Vec<(&'static str, String, String)> {
    let mut all =
        vec![("sqlite", "{type: sqlite, path: empty.db}".to_owned(), query(Dialect::Ansi, |text| text))];
    if let Some(url) = server("postgres") {
        all.push((
            "postgres",
            format!("{{type: postgres, url: \"{url}\"}}"),
            query(Dialect::Postgres, |text| format!("{text}::jsonb")),
        ));
    }
    if let Some(url) = server("mysql") {
        all.push(("mariadb", format!("{{type: mysql, url: \"{url}\"}}"), query(Dialect::MySql, |text| text)));
    }
    if let (Some(rest), Some(storage)) = (server("bigquery"), server("bigquery_storage")) {
        let connection = |more: &str| {
            format!("{{type: bigquery, project: p1, credentials: none, base_url: \"{rest}\", {more}}}")
        };
        let sql = query(Dialect::BigQuery, |text| format!("json {text}"));
        all.push((
            "bigquery by storage",
            connection(&format!("storage_read_url: \"{storage}\"")),
            sql.clone(),
        ));
        all.push(("bigquery by pages", connection("storage_read: false"), sql));
    }
    if let Some(url) = server("snowflake_json") {
        let connection = format!(
            "{{type: snowflake, account: org-acct, user: reader, password: secret, database: db1, schema: s1, base_url: \"{url}\"}}"
        );
        all.push(("snowflake", connection, query(Dialect::Snowflake, |text| format!("parse_json({text})"))));
    }
    #[cfg(feature = "duckdb")]
    all.push((
        "duckdb",
        "{type: duckdb, path: \":memory:\"}".to_owned(),
        query(Dialect::Postgres, |text| format!("{text}::json")),
    ));
    all
}

fn write(folder: &Path, name: &str, connection: &str, sql: &str) {
    let project = format!(
        "name: moving\nconnections:\n  warehouse: {connection}\n  out: {{type: files, url: ./out}}\n"
    );
    let mapping = "sync: people\nsource: {connection: warehouse, model: people, primary_key: id}\ndestination: {connection: out, \
        object: people, match_on: {id: id}}\nfields:\n  name: name\n  amount: {column: amount, type: number, scale: 2}\n  ratio: \
        {column: ratio, type: number}\n  active: {column: active, type: boolean}\n  born: {column: born, type: date}\n  seen: {column: \
        seen, type: datetime}\n  notes: {column: notes, type: json}\n";
    for (file, text) in
        [("outflow.yml", project.as_str()), ("mappings/people.yml", mapping), ("models/people.sql", sql)]
    {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn moving_a_sync_from_one_warehouse_to_another_sends_nothing() {
    let folder = TempDir::new().unwrap();
    rusqlite::Connection::open(folder.path().join("empty.db"))
        .unwrap()
        .execute_batch("create table t (a)")
        .unwrap();
    let rows = table().len() as u64;
    for (at, (name, connection, sql)) in warehouses().iter().enumerate() {
        write(folder.path(), name, connection, sql);
        let run = outflow(folder.path(), &["sync", "--format", "json"]).ends(0);
        let report = &run.json()["syncs"][0];
        let expected = if at == 0 { [rows, rows, 0, 0] } else { [rows, 0, 0, rows] };
        let differs = || outflow(folder.path(), &["diff"]);
        let found = counts(report, ["rows_read", "added", "changed", "unchanged"]);
        assert_eq!(found, expected, "{name}: {report} {:?}", differs());
    }
}

fn psql(url: &str, sql: &str) -> String {
    let output = Command::new("psql").args([url, "-XAtq", "-c", sql]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A sync whose query works for ever at the server, once the server says that it does.
fn endless(folder: &Path, url: &str, mark: &str) -> Child {
    let sql = format!(
        "select 1::bigint as id, '{mark}' as name, 1 as amount, 1 as ratio, true as active, now() as born, now() as seen, \
        '{{}}' as notes from pg_sleep(100000)"
    );
    write(folder, mark, &format!("{{type: postgres, url: \"{url}\"}}"), &sql);
    let child = Command::new(env!("CARGO_BIN_EXE_outflow"))
        .args(["sync", "--format", "json"])
        .current_dir(folder)
        .env_clear()
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    wait(|| running(url, mark) == "1", "the query runs");
    child
}

/// How many queries sleep: those that are only prepared, which can take as long as it likes on a busy machine, do not.
fn running(url: &str, mark: &str) -> String {
    psql(
        url,
        &format!(
            "select count(*) from pg_stat_activity where query like '%{mark}%' and state = 'active' \
            and wait_event = 'PgSleep' and pid <> pg_backend_pid()"
        ),
    )
}

fn wait(mut is: impl FnMut() -> bool, what: &str) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(40), "not in time: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_interrupted_run_cancels_its_query() {
    let (Some(url), Some(log)) = (server("postgres"), server("postgres_log")) else { return };
    for signal in ["-TERM", "-INT"] {
        let folder = TempDir::new().unwrap();
        let mark = format!("interrupted{signal}");
        let child = endless(folder.path(), &url, &mark);
        Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stdout));
        wait(|| running(&url, &mark) == "0", "the query is cancelled");
        // It was told to, and has not merely lost its client.
        let told = || {
            let log = std::fs::read_to_string(&log).unwrap();
            log.lines()
                .collect::<Vec<_>>()
                .windows(2)
                .any(|pair| pair[0].ends_with("due to user request") && pair[1].contains(&mark))
        };
        wait(told, "the server says why");
    }
}

/// Where a run ends below, with a warehouse whose queries outlive it.
pub const POINTS: [&str; 1] = ["query.stored"];

/// A job of BigQuery outlives the process that began it; its name is on record before it begins.
#[test]
fn the_query_that_a_killed_run_left_is_known_to_the_next() {
    let Some((_, connection, sql)) =
        warehouses().into_iter().find(|(name, ..)| *name == "bigquery by storage")
    else {
        return;
    };
    let folder = TempDir::new().unwrap();
    write(folder.path(), "bigquery", &connection, &sql);
    let killed = Command::new(env!("CARGO_BIN_EXE_outflow"))
        .arg("sync")
        .current_dir(folder.path())
        .env_clear()
        .env("OUTFLOW_REHEARSE", format!("{}:1", POINTS[0]))
        .status()
        .unwrap();
    assert!(killed.code().is_none(), "{killed}");
    let note = || {
        let ledger = rusqlite::Connection::open(folder.path().join(".outflow/ledger/people.db")).unwrap();
        let mut found = ledger.prepare("select value from note where name = 'run.running_query'").unwrap();
        found.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap).collect::<Vec<_>>()
    };
    assert!(matches!(note().as_slice(), [handle] if handle.contains("outflow_people")), "{:?}", note());
    outflow(folder.path(), &["sync"]).ends(0);
    assert_eq!(note(), Vec::<String>::new());
}

/// From version 14 on a server looks from time to time whether its client is still there.
#[test]
fn the_query_of_a_killed_run_ends_at_the_server() {
    let Some(url) = server("postgres") else { return };
    let folder = TempDir::new().unwrap();
    let mut child = endless(folder.path(), &url, "killed");
    child.kill().unwrap();
    child.wait().unwrap();
    wait(|| running(&url, "killed") == "0", "the server ends the query");
}
