//! Several processes against one account, which lives in a process of its own and refuses what passes its limit.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rusqlite::Connection;
use serde_json::Value as Json;
use tempfile::TempDir;

use super::lab::{Lab, counts};
use crate::support::{Run, Served, outflow};

/// A project with some syncs of one table of rows, each row a request.
struct Shop {
    folder: PathBuf,
}

impl Shop {
    fn new(folder: &Path, rows: i64, syncs: &[&str], url: &str, limits: &str) -> Self {
        let shop = Shop { folder: folder.to_path_buf() };
        fs::create_dir_all(shop.folder.join("mappings")).unwrap();
        let project = format!(
            "name: shop\nconnections:\n  warehouse: {{type: sqlite, path: w.db}}\n  crm:\n    type: hubspot\n    \
             token: pat-shop\n    base_url: {url}/hubspot\n    limits: {limits}\n"
        );
        fs::write(shop.folder.join("outflow.yml"), project).unwrap();
        let db = Connection::open(shop.folder.join("w.db")).unwrap();
        db.execute_batch("create table people (id integer primary key, email text)").unwrap();
        for sync in syncs {
            let sql = "insert into people select ?1 * 1000 + value, ?2 || value || '@x.io' from generate(?3)"
                .replace("generate(?3)", "(with recursive n (value) as (select 1 union all select value + 1 from n where value < ?3) select value from n)");
            let at = sync.bytes().map(i64::from).sum::<i64>();
            db.execute(&sql, rusqlite::params![at, sync, rows]).unwrap();
            let mapping = format!(
                "source:\n  connection: warehouse\n  query: \"select id, email from people where email like '{sync}%'\"\n  \
                 primary_key: id\ndestination:\n  connection: crm\n  object: contacts\n  match_on: {{email: email}}\n\
                 fields: {{firstname: email}}\ndelivery: {{batch_rows: 1}}\n"
            );
            fs::write(shop.folder.join(format!("mappings/{sync}.yml")), mapping).unwrap();
        }
        shop
    }

    fn start(&self, sync: &str) -> Child {
        Command::new(env!("CARGO_BIN_EXE_outflow"))
            .args(["sync", sync, "-q"])
            .current_dir(&self.folder)
            .env_clear()
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Run {
        outflow(&self.folder, arguments)
    }

    #[track_caller]
    fn report(&self, arguments: &[&str], code: i32) -> Json {
        self.run(&[arguments, &["--format", "json"]].concat()).ends(code).json()["syncs"][0].clone()
    }
}

const ACCOUNT: &str = r#"{"limits": {"requests": "40/2s"},
    "faults": [{"do": "delay", "ms": 40, "rate": 0.5, "seed": 3}]}"#;

#[test]
fn processes_of_two_projects_stay_within_one_limit_and_a_killed_one_leaves_its_share() {
    let home = TempDir::new().unwrap();
    let server = Served::start(home.path(), ACCOUNT);
    let limits = "{requests: 40/2s, shared: ../limits.db}";
    let one = Shop::new(&home.path().join("one"), 60, &["ann", "bob"], &server.url, limits);
    let two = Shop::new(&home.path().join("two"), 60, &["cyd"], &server.url, limits);
    let mut running = [one.start("ann"), one.start("bob"), two.start("cyd")];
    while server.requests()[0] < 50 {
        std::thread::yield_now();
    }
    running[2].kill().unwrap();
    for (at, child) in running.iter_mut().enumerate() {
        assert_eq!(child.wait().unwrap().success(), at < 2);
    }
    let killed_at = server.requests()[0];
    assert!((120..180).contains(&killed_at), "{killed_at}");
    two.run(&["sync", "cyd"]).ends(0);
    let [writes, _, refused] = server.requests();
    assert_eq!(refused, 0, "{}", server.stats());
    // What was in flight at the kill is sent once more.
    assert!((180..=180 + 8).contains(&writes), "{writes}");
}

#[test]
fn a_part_of_the_vendors_day_is_shared_by_all_runs() {
    let home = TempDir::new().unwrap();
    let server = Served::start(home.path(), r#"{"limits": {"daily_calls": 100}}"#);
    let shop = Shop::new(
        &home.path().join("one"),
        40,
        &["ann", "bob"],
        &server.url,
        "{daily_calls: 30%, concurrency: 1}",
    );
    let forecast = shop.report(&["diff", "ann"], 0)["forecast"].clone();
    assert_eq!(forecast["quota_percent"], 40.0 * 100.0 / 30.0, "{forecast:#}");
    let [_, unseen, _] = server.requests();
    let first = shop.report(&["sync", "ann"], 6);
    assert_eq!(
        (&first["status"], &first["error"]["code"]),
        (&"quota".into(), &"OF-DST-004".into()),
        "{first:#}"
    );
    assert!(first["delivered"].as_u64().unwrap() > 20 && first["pending"].as_u64().unwrap() > 0, "{first:#}");
    let [writes, reads, _] = server.requests();
    assert_eq!(writes + reads - unseen, 30);
    let second = shop.report(&["sync", "bob"], 6);
    assert_eq!((&second["status"], &second["requests"]), (&"quota".into(), &0.into()), "{second:#}");
    assert_eq!(server.requests(), [writes, reads, 0]);
}

#[test]
fn a_file_of_limits_that_cannot_be_used_is_told_before_anything_is_read() {
    let home = TempDir::new().unwrap();
    let shop = Shop::new(&home.path().join("one"), 1, &["ann"], "http://127.0.0.1:9", "{shared: ./mappings}");
    let run = shop.run(&["sync"]).ends(1);
    assert!(run.stderr.contains("mappings") && run.stderr.contains("OF-STA-001"), "{run:#?}");
    assert!(!run.stderr.contains("127.0.0.1"), "{run:#?}");
}

/// A lab with so many people, whose project is edited by hand.
fn crowd(rows: i64, mapping: &str, (from, to): (&str, &str)) -> Lab {
    let mut lab = Lab::new(&[]).mapping(mapping);
    lab.sql(&format!(
        "alter table people add column plan text;
         with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows})
         insert into people select i, 'p' || i || '@x.io', 'n' || i, i, iif(i = 5, 'blocked', 'fine') from n"
    ));
    lab.query = "select id, email, name, score, plan from people order by id".into();
    lab.fields = "{firstname: name, plan: plan}".into();
    lab.write();
    let project = fs::read_to_string(lab.file("outflow.yml")).unwrap();
    assert!(project.contains(from), "{project}");
    fs::write(lab.file("outflow.yml"), project.replacen(from, to, 1)).unwrap();
    lab
}

#[test]
fn a_rate_holds_for_every_request_and_not_for_every_batch() {
    let vague = ("    sandbox:\n", "    sandbox:\n      errors: vague\n");
    let lab = crowd(16, "delivery: {batch_rows: 100, rate: 4/s}", vague);
    let report = lab.sync(3);
    assert_eq!(counts(&report, ["delivered", "rejected"]), [15, 1], "{report}");
    // One batch, halved until the row that is refused is found.
    let [requests, millis] = counts(&report, ["requests", "duration_ms"]);
    assert!(requests > 4 && millis >= (requests - 1) * 250, "{report}");
}

#[test]
fn the_built_in_sandbox_is_one_account_for_all_processes() {
    let budget = ("limits: {requests: 10000/10s}\n", "limits: {requests: 10000/10s, daily_calls: 8}\n");
    let lab = crowd(20, "delivery: {batch_rows: 1, concurrency: 1}", budget);
    let first = lab.sync(6);
    let [reads, writes] = counts(&first, ["reads", "requests"]);
    assert_eq!((reads + writes, &first["error"]["code"]), (8, &"OF-DST-004".into()), "{first}");
    let second = lab.sync(6);
    assert_eq!(counts(&second, ["reads", "requests"]), [0, 0], "another process has another port: {second}");
    // Its limits begin anew with it.
    lab.run(&["sandbox", "reset"]).ends(0);
    assert!(counts(&lab.sync(6), ["requests"]) > [0]);
}
