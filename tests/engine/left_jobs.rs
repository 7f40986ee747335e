//! Jobs that a crash left with Klaviyo, Mailchimp and SendGrid, at work or done: one clean run makes the account equal to the
//! source, and no older job is at work any more by then.

use std::collections::BTreeMap;
use std::fs;

use rusqlite::Connection;
use serde_json::Value as Json;
use tempfile::TempDir;

use super::matrix::each;
use crate::support::{outflow, outflow_with};

const PEOPLE: usize = 6;
/// Rows of a job, of which one is in flight at a time.
const JOB: usize = 3;

/// A point, at which of its passings the run ends, how many people are there by then, and how many rows are in no job that
/// the next run can settle.
type Accident = (&'static str, usize, usize, usize);

struct Mailer {
    vendor: &'static str,
    /// The rest of its connection.
    connection: &'static str,
    destination: &'static str,
    /// Where the sandbox keeps people, and the properties with their address and their name.
    shown: [&'static str; 3],
    accidents: &'static [Accident],
}

/// A job is written down once it was taken, and done when it is asked for.
const TAKEN: &[Accident] = &[
    ("handle.store", 1, 0, 6),
    ("handle.stored", 1, 0, 3),
    ("deliver.answered", 1, 3, 3),
    ("handle.store", 2, 3, 3),
    ("handle.stored", 2, 3, 0),
];

/// An import is written down before it has its file, and again before the file goes up.
const FILLED: &[Accident] = &[
    ("handle.store", 1, 0, 6),
    ("handle.stored", 1, 0, 6),
    ("sendgrid.import.filled", 1, 0, 3),
    ("deliver.answered", 1, 3, 3),
    ("sendgrid.import.filled", 2, 3, 0),
];

static MAILERS: [Mailer; 3] = [
    Mailer {
        vendor: "klaviyo",
        connection: "api_key: pk_x, sandbox: {import_polls: 1}",
        destination: "object: profiles, match_on: {email: email}, api: import",
        shown: ["profiles", "email", "first_name"],
        accidents: TAKEN,
    },
    Mailer {
        vendor: "mailchimp",
        connection: "api_key: key-us1, sandbox: {batch_polls: 0, audiences: {a1: News}}",
        destination: "object: members, match_on: {email_address: email}, list: a1, api: batches",
        shown: ["members", "email_address", "FNAME"],
        accidents: TAKEN,
    },
    Mailer {
        vendor: "sendgrid",
        connection: "api_key: SG.key, sandbox: {job_polls: 1}",
        destination: "object: contacts, match_on: {email: email}, api: import",
        shown: ["contacts", "email", "first_name"],
        accidents: FILLED,
    },
];

fn sql(folder: &TempDir, sql: &str) {
    Connection::open(folder.path().join("w.db")).unwrap().execute_batch(sql).unwrap();
}

fn project(mailer: &Mailer) -> TempDir {
    let Mailer { vendor, connection, destination, shown: [_, _, named], .. } = mailer;
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("mappings")).unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(
        "outflow.yml",
        &format!(
            "name: shop\nconnections:\n  warehouse: {{type: sqlite, path: w.db}}\n  \
             mail: {{type: {vendor}, base_url: sandbox, {connection}}}\n"
        ),
    );
    write(
        "mappings/people.yml",
        &format!(
            "source: {{connection: warehouse, table: people, primary_key: id}}\n\
             destination: {{connection: mail, {destination}}}\n\
             delivery: {{batch_rows: {JOB}, concurrency: 1}}\nfields: {{{named}: name}}\n"
        ),
    );
    sql(
        &folder,
        &format!(
            "create table people (id integer primary key, email text, name text);
             with recursive n (i) as (select 1 union all select i + 1 from n where i < {PEOPLE})
             insert into people select i, 'p' || i || '@x.io', 'P' || i from n"
        ),
    );
    folder
}

/// All that the sandbox holds.
fn held(folder: &TempDir, mailer: &Mailer) -> Json {
    let show = ["sandbox", "show", "--format", "json", "--file", ".outflow/sandbox.db"];
    outflow(folder.path(), &show).ends(0).json()["objects"][mailer.vendor].clone()
}

/// The people that it holds, by address.
fn people(held: &Json, mailer: &Mailer) -> BTreeMap<String, String> {
    let [object, address, name] = mailer.shown;
    let mut people = BTreeMap::new();
    for one in held[object].as_array().into_iter().flatten() {
        let text = |property: &str| one["properties"][property].as_str().unwrap().to_owned();
        assert!(people.insert(text(address), text(name)).is_none(), "twice: {one}");
    }
    people
}

/// Jobs that may still change something; an import of SendGrid that never got its file does not.
fn at_work(held: &Json) -> usize {
    let all = |kind: &str| held[kind].as_array().cloned().unwrap_or_default();
    let imports = all("import_jobs").iter().filter(|job| job["properties"]["status"] != "complete").count();
    let batches = all("batches").iter().filter(|batch| batch["properties"]["results"].is_null()).count();
    let filled = all("jobs").iter().filter(|job| job["properties"]["payload"].is_object()).count();
    imports + batches + filled
}

fn sync(folder: &TempDir) -> Json {
    outflow(folder.path(), &["sync", "--format", "json"]).ends(0).json()["syncs"][0].clone()
}

fn assert_made_good(mailer: &Mailer, accident: &Accident) {
    let (point, passing, there, unsettled) = *accident;
    let what = format!("{}: {point}:{passing}", mailer.vendor);
    let folder = project(mailer);
    let plan = format!("{point}:{passing}");
    let died = outflow_with(folder.path(), &["sync", "-q"], &[("OUTFLOW_REHEARSE", &plan)]);
    assert_eq!(died.code, -1, "{what}: {died:#?}");
    assert_eq!(people(&held(&folder, mailer), mailer).len(), there, "{what}");

    // The older job has the older name.
    sql(&folder, "update people set name = 'New' where id = 1");
    let report = sync(&folder);
    let sent = report["sent"].as_u64().unwrap() as usize;
    assert!(
        (unsettled..=unsettled + 1).contains(&sent),
        "{what}: what a job did is not sent again: {report:#}"
    );
    assert_eq!(report["unknown"], 0, "{what}: {report:#}");
    let held = held(&folder, mailer);
    let name = |id: usize| if id == 1 { "New".to_owned() } else { format!("P{id}") };
    let wanted: BTreeMap<String, String> = (1..=PEOPLE).map(|id| (format!("p{id}@x.io"), name(id))).collect();
    assert_eq!(people(&held, mailer), wanted, "{what}");
    assert_eq!(at_work(&held), 0, "{what}: an older job may still undo what was sent: {held:#}");

    let again = sync(&folder);
    assert_eq!((&again["unchanged"], &again["requests"]), (&PEOPLE.into(), &0.into()), "{what}: {again:#}");
}

#[test]
fn a_job_that_a_crash_left_is_settled_by_the_next_run_and_undoes_nothing() {
    let cells: Vec<(&Mailer, &Accident)> = MAILERS
        .iter()
        .flat_map(|mailer| mailer.accidents.iter().map(move |accident| (mailer, accident)))
        .collect();
    assert_eq!(cells.len(), 15);
    each(cells, |(mailer, accident)| assert_made_good(mailer, accident));
}
