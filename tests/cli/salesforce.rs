//! A connection to Salesforce, as its user meets it.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{Served, outflow};

/// A project that sends so many people to Salesforce, with this beside the connection's `type`.
fn project(people: usize, connection: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    fs::create_dir(folder.path().join("mappings")).unwrap();
    write_connection(&folder, connection);
    write(
        "mappings/people.yml",
        "source: {connection: warehouse, table: people, primary_key: id}\n\
         destination: {connection: crm, object: Contact, match_on: {Code__c: code}}\n\
         fields: {LastName: name}\n\
         delivery: {batch_rows: 1, concurrency: 1}\n",
    );
    let sql = format!(
        "create table people (id integer, code text, name text);
         with recursive n (i) as (select 1 union all select i + 1 from n where i < {people})
         insert into people select i, 'k' || i, 'P' || i from n"
    );
    Connection::open(folder.path().join("w.db")).unwrap().execute_batch(&sql).unwrap();
    folder
}

fn write_connection(folder: &TempDir, connection: &str) {
    let project = format!(
        "name: shop\nconnections:\n  warehouse: {{type: sqlite, path: w.db}}\n  crm: {{type: salesforce, {connection}}}\n"
    );
    fs::write(folder.path().join("outflow.yml"), project).unwrap();
}

#[test]
fn a_key_file_is_found_from_anywhere_and_is_no_secret_itself() {
    let auth = "auth: {method: jwt, client_id: app, username: u@x.io, private_key_file: keys/none.pem}";
    let folder = project(1, auth);
    let inside = folder.path().to_str().unwrap();
    let run = outflow(Path::new("/"), &["--project-dir", inside, "check"]).ends(1);
    let place = folder.path().canonicalize().unwrap().join("keys/none.pem");
    assert!(run.stderr.contains(&format!("`{}` cannot be read", place.display())), "{run:#?}");
    assert!(!run.stderr.contains("plain text"), "{run:#?}");
}

const APP: &str = "auth: {method: client_credentials, client_id: a, client_secret: \"${S:-s}\"}";

/// Nothing but `login_url` says where the org is: the token's answer names its address.
#[test]
fn a_share_of_the_orgs_daily_calls_ends_the_run_cleanly() {
    let folder = project(30, "auth: {}");
    let account = r#"{"salesforce": {"limits": {"daily_calls": 40}, "objects": {"Contact": {"Code__c": {"unique": true}}}}}"#;
    let org = Served::start(folder.path(), account);
    // Of 40 calls that the org has, 12 are ours; its answers say how many it has.
    let connection = format!("login_url: \"{}/salesforce\", limits: {{daily_calls: 30%}}, {APP}", org.url);
    write_connection(&folder, &connection);
    let report = outflow(folder.path(), &["sync", "--format", "json"]).ends(6).json();
    let sync = &report["syncs"][0];
    assert_eq!(sync["status"], "quota", "{report:#}");
    let count = |name: &str| sync[name].as_u64().unwrap();
    assert_eq!(count("delivered") + count("pending"), 30, "nothing is lost: {report:#}");
    let [writes, reads, refused] = org.requests();
    assert_eq!((writes, refused), (count("delivered"), 0), "{report:#}");
    assert!(count("delivered") > 0 && writes + reads <= 12, "{writes} + {reads}");
    let again = outflow(folder.path(), &["sync", "--format", "json"]).ends(6).json();
    assert_eq!(
        (&again["syncs"][0]["delivered"], org.requests()),
        (&0.into(), [writes, reads, 0]),
        "{again:#}"
    );
}
