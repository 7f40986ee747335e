//! Links between objects: people to their companies.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rusqlite::Connection;
use serde_json::Value as Json;
use tempfile::TempDir;

use super::lab::{check_identities, counts};
use crate::support::outflow;

/// People and companies, each with a sync of its own.
struct Office {
    folder: TempDir,
    faults: String,
}

const PEOPLE: &str = "sync: people
source: {connection: warehouse, query: select * from people order by id, primary_key: id}
destination: {connection: crm, object: contacts, match_on: {email: email}}
fields: {firstname: name}
guards: {max_delete: 100%}
";
const BY_KEY: &str = "associations: [{to: companies, match_on: {external_id: company}}]\n";
const SEVERAL: &str = "associations:
  - {to: companies, match_on: {external_id: company}}
  - {to: companies, match_on: {external_id: pays}, label: Billing contact, many: true}
";

impl Office {
    fn new(associations: &str) -> Self {
        let office = Office { folder: TempDir::new().unwrap(), faults: "[]".to_owned() };
        fs::create_dir(office.folder.path().join("mappings")).unwrap();
        office.project();
        office.write(
            "mappings/companies.yml",
            "source: {connection: warehouse, query: select * from companies, primary_key: code}\n\
             destination: {connection: crm, object: companies, match_on: {external_id: code}}\nfields: {name: name}\n",
        );
        office.people(associations);
        office.sql(
            "create table companies (code text, name text); create table people (id int, email text, name text, company text, pays text);
             insert into companies values ('acme', 'Acme'), ('beta', 'Beta'), ('ceta', 'Ceta');
             insert into people values (1, 'ada@x.io', 'Ada', 'acme', '[\"beta\",\"ceta\"]'), (2, 'bob@x.io', 'Bob', 'beta', null),
               (3, 'cyd@x.io', 'Cyd', null, '[]')",
        );
        office
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn project(&self) {
        let faults = &self.faults;
        self.write(
            "outflow.yml",
            &format!(
                "name: office\nconnections:\n  warehouse: {{type: sqlite, path: warehouse.db}}\n  crm:\n    type: hubspot\n    token: pat-x\n    \
                 base_url: sandbox\n    limits: {{requests: 10000/10s}}\n    sandbox:\n      limits: {{requests: 10000/10s}}\n      \
                 objects: {{companies: {{external_id: {{type: string, unique: true}}}}}}\n      \
                 associations: [{{from: contacts, to: companies, label: Billing contact}}]\n      faults: {faults}\n"
            ),
        );
    }

    fn people(&self, associations: &str) {
        self.write("mappings/people.yml", &format!("{PEOPLE}{associations}"));
    }

    fn sql(&self, sql: &str) {
        Connection::open(self.folder.path().join("warehouse.db")).unwrap().execute_batch(sql).unwrap();
    }

    #[track_caller]
    fn sync(&self, name: &str, code: i32) -> Json {
        let run = outflow(self.folder.path(), &["sync", name, "--format", "json"]).ends(code);
        let report = run.json()["syncs"][0].clone();
        check_identities(&report);
        report
    }

    fn shown(&self) -> Json {
        let arguments = ["sandbox", "show", "--format", "json", "--file", ".outflow/sandbox.db"];
        outflow(self.folder.path(), &arguments).ends(0).json()["objects"]["hubspot"].clone()
    }

    /// First name of each contact that is linked, with its companies' codes and the numbers of the links.
    fn links(&self) -> BTreeMap<String, BTreeSet<(String, u64)>> {
        let shown = self.shown();
        let named = |object: &str, id: &str, property: &str| {
            let all = shown[object].as_array().unwrap();
            let one = all.iter().find(|one| one["id"] == id).unwrap();
            one["properties"][property].as_str().unwrap().to_owned()
        };
        let none = Vec::new();
        let kept = shown["associations/contacts/companies"].as_array().unwrap_or(&none);
        let mut links = BTreeMap::new();
        for contact in kept {
            let of: BTreeSet<(String, u64)> = contact["properties"]
                .as_object()
                .unwrap()
                .iter()
                .flat_map(|(company, kinds)| {
                    let code = named("companies", company, "external_id");
                    let numbers =
                        kinds.as_array().unwrap().iter().map(|kind| kind["typeId"].as_u64().unwrap());
                    numbers.map(move |number| (code.clone(), number)).collect::<Vec<_>>()
                })
                .collect();
            if !of.is_empty() {
                links.insert(named("contacts", contact["id"].as_str().unwrap(), "firstname"), of);
            }
        }
        links
    }
}

/// Points that only a sync with links passes.
#[cfg(debug_assertions)]
pub const POINTS: [&str; 2] = ["links.make", "links.made"];

/// HubSpot's number of the ordinary link, and the sandbox's of the named one.
const ORDINARY: u64 = 279;
const BILLING: u64 = 1;

fn of<const N: usize>(links: [(&str, u64); N]) -> BTreeSet<(String, u64)> {
    links.into_iter().map(|(code, number)| (code.to_owned(), number)).collect()
}

#[test]
fn people_are_linked_to_their_companies_once_both_are_there() {
    let office = Office::new(SEVERAL);
    let report = office.sync("people", 3);
    assert_eq!(counts(&report, ["delivered", "rejected", "unknown"]), [1, 2, 0], "no company is there yet");
    let errors = outflow(office.folder.path(), &["errors", "people", "--format", "json"]).ends(0).json();
    let error = &errors["errors"][0];
    assert_eq!(
        (&error["code"], &error["field"]),
        (&"ASSOCIATION_TARGET_MISSING".into(), &"associations.companies".into())
    );
    assert!(error["message"].as_str().unwrap().contains("external_id `acme`"), "{error}");
    assert_eq!(office.shown()["contacts"].as_array().unwrap().len(), 1, "a refused row has had no effect");

    office.sync("companies", 0);
    assert_eq!(counts(&office.sync("people", 0), ["delivered", "unchanged"]), [2, 1]);
    let ada = of([("acme", ORDINARY), ("beta", BILLING), ("ceta", BILLING)]);
    let both = BTreeMap::from([("Ada".to_owned(), ada), ("Bob".to_owned(), of([("beta", ORDINARY)]))]);
    assert_eq!(office.links(), both);
    assert_eq!(counts(&office.sync("people", 0), ["unchanged", "requests"]), [3, 0]);
}

#[test]
fn another_company_is_a_change_and_the_old_link_stays_unless_the_sync_mirrors() {
    for (mode, kept) in [("", true), ("mode: mirror\n", false)] {
        let office = Office::new(&format!("{SEVERAL}{mode}"));
        office.sync("companies", 0);
        office.sync("people", 0);
        office.sql("update people set company = 'ceta', pays = '[\"ceta\"]' where id = 1; update people set company = null where id = 2");
        assert_eq!(counts(&office.sync("people", 0), ["changed", "delivered"]), [2, 2]);
        let links = office.links();
        let mut ada = of([("ceta", ORDINARY), ("ceta", BILLING)]);
        if kept {
            ada.extend(of([("acme", ORDINARY), ("beta", BILLING)]));
        }
        assert_eq!(links["Ada"], ada, "{mode}");
        assert_eq!(links.contains_key("Bob"), kept, "{mode}");
        assert_eq!(counts(&office.sync("people", 0), ["unchanged", "requests"]), [3, 0]);
    }
}

#[test]
fn a_link_whose_answer_is_lost_or_refused_leaves_its_row_unknown_and_is_made_good() {
    for fault in ["{do: lost_ack, path: associate}", "{do: status, code: 400, path: associate}"] {
        let mut office = Office::new(BY_KEY);
        office.sync("companies", 0);
        office.faults = format!("[{fault}]");
        office.project();
        let report = office.sync("people", 3);
        assert_eq!(counts(&report, ["delivered", "unknown", "rejected"]), [1, 2, 0], "{fault}: {report}");
        office.faults = "[]".to_owned();
        office.project();
        assert_eq!(counts(&office.sync("people", 0), ["delivered", "unknown"]), [2, 0], "{fault}");
        assert_eq!(office.links().len(), 2, "{fault}");
    }
}

#[test]
fn record_ids_are_taken_as_they_are_and_looked_up_all_the_same() {
    let office = Office::new("associations: [{to: companies, id: company}]\n");
    office.sync("companies", 0);
    let shown = office.shown();
    let id = shown["companies"][0]["id"].as_str().unwrap();
    office.sql(&format!("update people set company = '{id}' where id = 1"));
    assert_eq!(counts(&office.sync("people", 3), ["delivered", "rejected"]), [2, 1], "`beta` is no id");
    assert_eq!(office.links().len(), 1);
}

#[test]
fn what_cannot_be_linked_is_said_before_anything_is_sent() {
    for (associations, code, word) in [
        ("associations: [{to: companies, match_on: {name: company}}]", "OF-DST-001", "`external_id`"),
        ("associations: [{to: companies, match_on: {nmae: company}}]", "OF-DST-001", "no property `nmae`"),
        (
            "associations: [{to: companies, id: company, label: Boss}]",
            "OF-DST-001",
            "`Billing contact` (type 1)",
        ),
        ("associations: [{to: pets, id: company}]", "OF-DST-001", "pets"),
        ("associations: [{to: companies, id: compnay}]", "OF-MAP-010", "did you mean `company`?"),
        ("associations: [{to: companies}]", "OF-CFG-005", "`match_on`, `id`"),
        ("associations: [{to: companies, id: company, label: a, type: 1}]", "OF-CFG-022", "`label`, `type`"),
        ("associations: [{to: companies, id: a}, {to: companies, id: b}]", "OF-CFG-022", "many: true"),
        ("associations: [{to: companies, match_on: {a: b, c: d}}]", "OF-CFG-006", "one property"),
    ] {
        let office = Office::new(&format!("{associations}\n"));
        let run = outflow(office.folder.path(), &["check", "--connect", "--format", "json"]);
        assert_eq!(run.code, 1, "{associations}: {run:#?}");
        let said = run.json()["diagnostics"].to_string();
        assert!(said.contains(word), "{associations}: {said}");
        assert!(said.contains(code), "{associations}: {said}");
        assert!(said.contains("mappings/people.yml"), "{associations}: {said}");
    }
}

/// The object is written, its links are not, or only some: nothing of it counts as delivered.
#[cfg(debug_assertions)]
#[test]
fn a_run_that_ends_between_an_object_and_its_links_is_made_good_by_the_next() {
    let plans = POINTS.iter().flat_map(|point| [1, 2].map(|n| format!("{point}:{n}")));
    for (plan, mode) in plans.flat_map(|plan| ["mirror", "insert"].map(|mode| (plan.clone(), mode))) {
        let office = Office::new(&format!("{SEVERAL}mode: {mode}\n"));
        office.sync("companies", 0);
        let variables = [("OUTFLOW_REHEARSE", plan.as_str())];
        let run = crate::support::outflow_with(office.folder.path(), &["sync", "people", "-q"], &variables);
        assert_eq!(run.code, -1, "{plan}: {run:#?}");
        assert_eq!(counts(&office.sync("people", 0), ["delivered", "unchanged"]), [3, 0], "{plan}");
        let ada = of([("acme", ORDINARY), ("beta", BILLING), ("ceta", BILLING)]);
        assert_eq!(office.links()["Ada"], ada, "{plan}");
        assert_eq!(counts(&office.sync("people", 0), ["unchanged", "requests"]), [3, 0], "{plan}");
    }
}
