//! Salesforce by jobs of the Bulk API 2.0, by the binary, against a sandbox in another process.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::support::{Run, Served, outflow, outflow_with};

const ACCOUNT: &str = r#"{"salesforce": {"objects": {
    "Account": {"Number__c": {"unique": true}}, "Contact": {"Code__c": {"unique": true}, "Note__c": "string"}}}}"#;

struct Org {
    folder: TempDir,
    served: Served,
}

impl Org {
    /// A project of so many people, each with one of seven accounts, which are there already.
    fn start(people: usize, more: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let account = ACCOUNT.replacen("{\"objects\"", &format!("{{{more}\"objects\""), 1);
        let served = Served::start(folder.path(), &account);
        let org = Org { folder, served };
        fs::create_dir(org.folder.path().join("mappings")).unwrap();
        org.write(
            "outflow.yml",
            &format!(
                "name: shop\nconnections:\n  warehouse: {{type: sqlite, path: w.db}}\n  crm:\n    type: salesforce\n    \
                 base_url: {}/salesforce\n    auth: {{method: access_token, access_token: \"${{S:-00D!x}}\"}}\n",
                org.served.url
            ),
        );
        org.write(
            "mappings/accounts.yml",
            "source: {connection: warehouse, table: accounts, primary_key: code}\n\
             destination: {connection: crm, object: Account, match_on: {Number__c: code}}\nfields: {Name: code}\n",
        );
        org.mapping("");
        org.sql(&format!(
            "create table accounts (code text primary key);
             insert into accounts values ('A0'), ('A1'), ('A2'), ('A3'), ('A4'), ('A5'), ('A6');
             create table people (id integer primary key, code text, name text, account text);
             with recursive n (i) as (select 1 union all select i + 1 from n where i < {people})
             insert into people select i, 'k' || i, 'P ' || i, 'A' || (i * 31 % 7) from n"
        ));
        org.run(&["sync", "accounts", "-q"]).ends(0);
        org
    }

    fn mapping(&self, more: &str) {
        self.write(
            "mappings/people.yml",
            &format!(
                "source: {{connection: warehouse, table: people, primary_key: id}}\n\
                 destination: {{connection: crm, object: Contact, match_on: {{Code__c: code}}}}\n\
                 fields: {{LastName: name, Account.Number__c: account}}\n{more}"
            ),
        );
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.folder.path().join("w.db")).unwrap().execute_batch(sql).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Run {
        outflow(self.folder.path(), arguments)
    }

    fn sync(&self, code: i32) -> Json {
        let report = self.run(&["sync", "people", "--format", "json", "--allow-changes"]).ends(code).json();
        report["syncs"][0].clone()
    }

    /// A sync that has closed its job, and waits to ask how far it is.
    fn begin(&self, before: [u64; 3]) -> Child {
        let mut child = Command::new(env!("CARGO_BIN_EXE_outflow"))
            .args(["sync", "people", "-q"])
            .current_dir(self.folder.path())
            .env_clear()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while self.since(before)[0] < 3 {
            let is_on = begun.elapsed() < Duration::from_secs(60) && child.try_wait().unwrap().is_none();
            assert!(is_on, "no job was closed");
            std::thread::sleep(Duration::from_millis(2));
        }
        child
    }

    /// Requests since some count of them.
    fn since(&self, before: [u64; 3]) -> [u64; 2] {
        let [writes, reads, _] = self.served.requests();
        [writes - before[0], reads - before[1]]
    }

    /// Contacts, and those of them that have their own name and an account.
    fn contacts(&self) -> [usize; 2] {
        let shown = self.run(&["sandbox", "show", "--format", "json"]).ends(0).json();
        let contacts = shown["objects"]["salesforce"]["Contact"].as_array().unwrap().clone();
        let is_whole = |contact: &&Json| {
            let text = |name: &str| contact["properties"][name].as_str().unwrap_or_default();
            text("LastName").trim_start_matches("P ") == text("Code__c").trim_start_matches('k')
                && text("AccountId").starts_with("001")
        };
        [contacts.len(), contacts.iter().filter(is_whole).count()]
    }
}

fn count(sync: &Json, name: &str) -> u64 {
    sync[name].as_u64().unwrap_or_else(|| panic!("{name}: {sync:#}"))
}

#[test]
fn many_changes_take_few_jobs_and_few_calls() {
    let org = Org::start(20_000, "");
    let preview = org.run(&["diff", "people"]).ends(0);
    assert!(
        preview.stdout.contains("2 jobs take about 2 of the org's 15000 Bulk API batches a day"),
        "{preview:#?}"
    );
    let before = org.served.requests();
    let sync = org.sync(0);
    assert_eq!((count(&sync, "delivered"), count(&sync, "rejected")), (20_000, 0), "{sync:#}");
    let [writes, reads] = org.since(before);
    // A job would have 10,000 rows; three accounts have 8,571 or so, and no account's people are torn apart.
    assert_eq!(writes, 3 * 3);
    assert!(writes + reads <= 40, "{writes} + {reads}");
    assert_eq!(org.contacts(), [20_000, 20_000]);
    let before = org.served.requests();
    assert_eq!(count(&org.sync(0), "unchanged"), 20_000);
    assert_eq!(org.since(before)[0], 0);
}

#[test]
fn few_changes_go_by_collections() {
    let org = Org::start(1_999, "");
    let before = org.served.requests();
    assert_eq!(count(&org.sync(0), "delivered"), 1_999);
    assert_eq!(org.since(before)[0], 10);
}

#[test]
fn a_twentieth_that_is_locked_arrives_in_the_same_run() {
    let org = Org::start(6_000, r#""locks": "5%", "#);
    org.run(&["sync", "accounts", "-q"]).ends(0);
    let sync = org.sync(0);
    assert_eq!((count(&sync, "delivered"), count(&sync, "deferred")), (6_000, 0), "{sync:#}");
    assert_eq!(org.contacts(), [6_000, 6_000]);
}

/// The process is killed for good once its job is closed, while it waits to ask how far it is.
#[test]
fn a_kill_between_upload_and_poll_uploads_nothing_twice() {
    let org = Org::start(5_000, "");
    let before = org.served.requests();
    let mut child = org.begin(before);
    child.kill().unwrap();
    child.wait().unwrap();
    org.sql("update people set name = 'P 1' where id = 1");
    let sync = org.sync(0);
    assert_eq!((count(&sync, "sent"), count(&sync, "unchanged")), (0, 5_000), "{sync:#}");
    assert_eq!(org.since(before)[0], 3, "made, filled, closed, and nothing else");
    assert_eq!(org.contacts(), [5_000, 5_000]);
}

/// Its rows are unsettled until the next run asks.
#[test]
fn an_interrupt_while_a_job_works_is_one() {
    let org = Org::start(5_000, "");
    let before = org.served.requests();
    let mut child = org.begin(before);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let sync = org.sync(0);
    assert_eq!((count(&sync, "sent"), count(&sync, "unchanged")), (0, 5_000), "{sync:#}");
    assert_eq!(org.since(before)[0], 3);
}

/// At every note of a job, and around each answer.
#[test]
fn a_run_of_jobs_that_ends_anywhere_is_made_good_by_the_next() {
    for (point, n, writes) in [
        ("handle.store", 1, 2 + 3),
        ("handle.stored", 1, 2 + 3),
        ("handle.store", 2, 3 + 3),
        ("handle.stored", 2, 3),
        ("deliver.answered", 1, 3),
        ("deliver.settle", 1, 3),
        ("deliver.settled", 1, 3),
        ("run.delivered", 1, 3),
    ] {
        let org = Org::start(2_500, "");
        let before = org.served.requests();
        let plan = format!("{point}:{n}");
        let died = outflow_with(org.folder.path(), &["sync", "people", "-q"], &[("OUTFLOW_REHEARSE", &plan)]);
        assert_eq!(died.code, -1, "{plan}: {died:#?}");
        let sync = org.sync(0);
        assert_eq!(count(&sync, "unchanged") + count(&sync, "delivered"), 2_500, "{plan}: {sync:#}");
        assert_eq!(org.contacts(), [2_500, 2_500], "{plan}");
        let [sent, _] = org.since(before);
        assert!(sent <= writes, "{plan}: {sent} writes");
        let before = org.served.requests();
        assert_eq!(count(&org.sync(0), "unchanged"), 2_500);
        assert_eq!(org.since(before)[0], 0, "{plan}");
    }
}

#[test]
fn a_text_that_clears_a_field_makes_its_row_invalid_where_only_jobs_may_be_used() {
    let org = Org::start(3, "");
    org.sql("update people set name = '#N/A' where id = 2");
    let by_jobs = "destination: {connection: crm, object: Contact, match_on: {Code__c: code}, api: bulk}\n";
    let text = fs::read_to_string(org.folder.path().join("mappings/people.yml")).unwrap();
    let text: String =
        text.lines().filter(|line| !line.starts_with("destination")).map(|l| format!("{l}\n")).collect();
    org.write("mappings/people.yml", &(text + by_jobs));
    let sync = org.sync(3);
    assert_eq!((count(&sync, "delivered"), count(&sync, "invalid")), (2, 1), "{sync:#}");
    let errors = org.run(&["errors", "people"]);
    assert!(errors.stdout.contains("OF-ROW-021") && errors.stdout.contains("#N/A"), "{errors:#?}");
}

/// A backfill goes by jobs as well, and on where it was.
#[test]
fn a_backfill_goes_by_jobs() {
    let org = Org::start(4_000, "");
    org.sync(0);
    let before = org.served.requests();
    org.run(&["backfill", "people", "-q", "--yes"]).ends(0);
    let [writes, _] = org.since(before);
    assert!((3..20).contains(&writes), "{writes}");
    assert_eq!(org.contacts(), [4_000, 4_000]);
}
