//! Bad input for the mailers, whichever way it goes: an address that is no e-mail, none at all, and a list that does not exist.

use std::fs;

use rusqlite::Connection;
use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::support::{Run, outflow};

struct Mailer {
    vendor: &'static str,
    /// The rest of its connection.
    connection: &'static str,
    /// Its object and key, and the field that has the name.
    object: &'static str,
    named: &'static str,
    /// What makes it go by jobs.
    jobs: &'static str,
    /// An option that every mapping needs, and one that names a list which is not there.
    list: &'static str,
    no_list: &'static str,
}

static MAILERS: [Mailer; 3] = [
    Mailer {
        vendor: "klaviyo",
        connection: "api_key: pk_x, sandbox: {import_polls: 1}",
        object: "profiles, match_on: {email: email}",
        named: "first_name",
        jobs: ", api: import",
        list: "",
        no_list: ", list: N0such",
    },
    Mailer {
        vendor: "mailchimp",
        connection: "api_key: key-us1, sandbox: {batch_polls: 0, audiences: {a1: News}}",
        object: "members, match_on: {email_address: email}",
        named: "FNAME",
        jobs: ", api: batches",
        list: ", list: a1",
        no_list: ", list: N0such",
    },
    Mailer {
        vendor: "sendgrid",
        connection: "api_key: SG.key, sandbox: {job_polls: 1}",
        object: "contacts, match_on: {email: email}",
        named: "first_name",
        jobs: ", api: import",
        list: "",
        no_list: ", lists: [11111111-1111-4111-8111-111111111111]",
    },
];

fn sql(folder: &TempDir, sql: &str) {
    Connection::open(folder.path().join("w.db")).unwrap().execute_batch(sql).unwrap();
}

/// Six people, of whom the second has no e-mail address and the third none at all.
fn project(mailer: &Mailer, options: &str) -> TempDir {
    let Mailer { vendor, connection, object, named, .. } = mailer;
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
             destination: {{connection: mail, object: {object}{options}}}\nfields: {{{named}: name}}\n"
        ),
    );
    sql(
        &folder,
        "create table people (id integer primary key, email text, name text);
         with recursive n (i) as (select 1 union all select i + 1 from n where i < 6)
         insert into people select i, 'p' || i || '@x.io', 'P' || i from n;
         update people set email = 'no address' where id = 2; update people set email = null where id = 3;",
    );
    folder
}

fn run(folder: &TempDir, arguments: &[&str]) -> Run {
    outflow(folder.path(), arguments)
}

fn json(folder: &TempDir, arguments: &[&str], code: i32) -> Json {
    run(folder, &[arguments, &["--format", "json"]].concat()).ends(code).json()
}

fn shown(folder: &TempDir) -> Json {
    json(folder, &["sandbox", "show", "--file", ".outflow/sandbox.db"], 0)
}

#[test]
fn what_is_no_address_costs_its_row_and_the_rest_goes_on() {
    for (mailer, is_job) in MAILERS.iter().flat_map(|mailer| [(mailer, false), (mailer, true)]) {
        let what = format!("{}, by jobs: {is_job}", mailer.vendor);
        let folder = project(mailer, &format!("{}{}", mailer.list, if is_job { mailer.jobs } else { "" }));
        let report = json(&folder, &["sync"], 3)["syncs"][0].clone();
        let counts = ["delivered", "rejected", "invalid", "unknown"].map(|name| report[name].clone());
        assert_eq!(json!(counts), json!([4, 1, 1, 0]), "{what}: {report:#}");
        let errors = json(&folder, &["errors", "people"], 0)["errors"].as_array().unwrap().clone();
        let of = |id: u64| {
            let found = errors.iter().find(|error| error["key"]["id"] == id);
            found.unwrap_or_else(|| panic!("{what}: nothing of row {id}: {errors:#?}"))
        };
        assert_eq!((&of(2)["kind"], &of(3)["kind"]), (&json!("rejected"), &json!("invalid")), "{what}");
        for id in [2, 3] {
            run(&folder, &["explain", of(id)["code"].as_str().unwrap()]).ends(0);
        }
        sql(&folder, "update people set email = 'p' || id || '@x.io' where id in (2, 3)");
        let mended = json(&folder, &["sync"], 0)["syncs"][0].clone();
        assert_eq!(
            (&mended["delivered"], &mended["unchanged"]),
            (&json!(2), &json!(4)),
            "{what}: {mended:#}"
        );
        let kind = mailer.object.split(',').next().unwrap();
        let held = shown(&folder)["objects"][mailer.vendor][kind].as_array().unwrap().len();
        assert_eq!(held, 6, "{what}");
    }
}

#[test]
fn a_list_that_does_not_exist_is_found_before_anything_is_sent() {
    for mailer in &MAILERS {
        let folder = project(mailer, mailer.no_list);
        let name = mailer.no_list.trim_end_matches(']').rsplit([' ', '[']).next().unwrap();
        for command in [&["check", "--connect"][..], &["sync"]] {
            let run = run(&folder, command).ends(1);
            for word in ["OF-DST-001", "has no list", name, "people.yml:2", "hint: "] {
                assert!(run.stderr.contains(word), "{}: `{word}` is missing: {run:#?}", mailer.vendor);
            }
        }
        assert_eq!(shown(&folder)["requests"]["writes"], 0, "{}", mailer.vendor);
    }
}

#[test]
fn a_field_that_a_list_does_not_take_is_told_at_its_line() {
    for (connection, object, field) in [
        ("type: klaviyo, api_key: pk_x", "profiles, match_on: {email: email}, list: L1", "first_name"),
        (
            "type: marketo, client_id: a, client_secret: b",
            "leads, match_on: {email: email}, list: 1159",
            "firstName",
        ),
    ] {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("mappings")).unwrap();
        let project = format!(
            "name: shop\nconnections:\n  warehouse: {{type: sqlite, path: w.db}}\n  mail: {{{connection}, base_url: sandbox}}\n"
        );
        fs::write(folder.path().join("outflow.yml"), project).unwrap();
        let mapping = format!(
            "source: {{connection: warehouse, table: people, primary_key: id}}\n\
             destination: {{connection: mail, object: {object}}}\nmode: audience\nfields: {{{field}: name}}\n"
        );
        fs::write(folder.path().join("mappings/people.yml"), mapping).unwrap();
        let check = run(&folder, &["check"]).ends(1);
        assert!(check.stderr.contains("people.yml:4:"), "{check:#?}");
        assert!(check.stderr.contains(&format!("so `{field}` would not be sent")), "{check:#?}");
    }
}
