//! What a run may have to do, each as a state of source, ledger and destination, and the edits that a run finds.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::lab::Lab;
use crate::support::{Served, outflow_with};

/// One kind of run.
pub struct Scenario {
    pub name: &'static str,
    /// Lines of the mapping's top level.
    mapping: &'static str,
    /// More of the mapping's `delivery` block.
    delivery: &'static str,
    fields: &'static str,
    /// What happens before the run: earlier runs, edits of the source and of the mapping.
    before: fn(&mut Lab),
    /// Flags of the run.
    pub flags: &'static [&'static str],
    /// Objects of rows that are gone stay.
    pub keeps: bool,
    /// Rows that can be delivered.
    deliverable: &'static str,
    /// The exit code of every run but the accident: 3 where a row stays invalid.
    pub code: i32,
}

const FIELDS: &str = "{firstname: name, score: score, plan: plan}";
const WITH_ABOUT: &str = "{firstname: name, score: score, plan: plan, about: about}";
/// As [`FIELDS`], with one that changes no fingerprint.
const SENT_ALONG: &str = "{firstname: name, score: score, plan: plan, about: {column: about, diff: false}}";
const BLANK: Scenario = Scenario {
    name: "",
    mapping: "",
    delivery: "",
    fields: FIELDS,
    before: |_| {},
    flags: &["--allow-changes", "--allow-deletes", "--allow-key-change"],
    keeps: false,
    deliverable: "true",
    code: 0,
};

/// Rows that every scenario starts with.
pub const ROWS: i64 = 60;
/// Rows of a batch, and batches in flight.
pub const BATCH: (usize, usize) = (5, 2);

pub const SCENARIOS: [Scenario; 14] = [
    Scenario { name: "first run", fields: WITH_ABOUT, ..BLANK },
    Scenario { name: "steady", keeps: true, before: |lab| edited(lab), ..BLANK },
    Scenario {
        name: "streaming",
        mapping: "on_duplicate_key: first",
        delivery: ", start: streaming",
        keeps: true,
        before: |lab| edited(lab),
        ..BLANK
    },
    Scenario {
        name: "mirror",
        mapping: "mode: mirror",
        before: |lab| {
            edited(lab);
            // New addresses, and one that a gone row's object has.
            lab.sql("update people set email = 'moved' || id || '@x.io' where id between 30 and 33");
            lab.sql("delete from people where id = 40; insert into people values (140, 'p40@x.io', 'heir', 1, 'fine', 'x')");
        },
        ..BLANK
    },
    Scenario {
        name: "field added",
        before: |lab| {
            synced(lab);
            lab.fields = WITH_ABOUT.into();
            lab.write();
        },
        ..BLANK
    },
    Scenario {
        name: "field dropped",
        mapping: "ledger: {keep: values}",
        keeps: true,
        before: |lab| {
            edited(lab);
            lab.fields = "{firstname: name, score: score}".into();
            lab.write();
        },
        ..BLANK
    },
    Scenario {
        name: "restated",
        keeps: true,
        before: |lab| {
            edited(lab);
            lab.fields = SENT_ALONG.into();
            lab.query = lab.query.replace(" order by", " where true order by");
            lab.write();
        },
        ..BLANK
    },
    Scenario {
        name: "restated after a crash",
        mapping: "mode: mirror",
        before: |lab| {
            died(lab, "deliver.answered:4");
            lab.sql("delete from people where id % 3 = 0; update people set name = 'after' where id % 3 = 1");
            lab.fields = SENT_ALONG.into();
            lab.write();
        },
        ..BLANK
    },
    Scenario {
        name: "full refresh",
        keeps: true,
        before: |lab| edited(lab),
        flags: &["--allow-changes", "--allow-key-change", "--full-refresh"],
        ..BLANK
    },
    Scenario {
        name: "refused rows",
        mapping: "max_attempts: 1",
        keeps: true,
        deliverable: "plan <> 'blocked' and email is not null",
        code: 3,
        before: |lab| {
            lab.sql("update people set plan = 'blocked' where id % 10 = 0");
            lab.run(&["sync", "-q"]).ends(3);
            lab.sql("update people set plan = 'fine', name = 'good now' where id <= 20");
            lab.sql("update people set plan = 'blocked' where id between 41 and 44; update people set email = null where id = 50");
        },
        ..BLANK
    },
    Scenario {
        name: "held rows",
        mapping: "on_match_change: hold",
        keeps: true,
        deliverable: "id not between 30 and 33",
        before: |lab| {
            edited(lab);
            lab.sql("update people set email = 'moved' || id || '@x.io' where id between 30 and 33");
        },
        ..BLANK
    },
    Scenario {
        name: "after a crash",
        mapping: "mode: mirror",
        before: |lab| {
            died(lab, "deliver.answered:4");
            // Some of what was in flight is gone, some is changed.
            lab.sql("delete from people where id % 3 = 0; update people set name = 'after' where id % 3 = 1");
        },
        ..BLANK
    },
    Scenario {
        name: "gone after a crash",
        keeps: true,
        before: |lab| {
            died(lab, "deliver.answered:4");
            lab.sql("delete from people where id % 2 = 0");
        },
        ..BLANK
    },
    Scenario {
        name: "inserts after a crash",
        mapping: "mode: insert",
        keeps: true,
        before: |lab| died(lab, "deliver.answered:4"),
        ..BLANK
    },
];

/// What the account of the destination has.
const ACCOUNT: &str = r#"{"objects": {"contacts": {"score": "number", "about": "string",
    "plan": {"type": "string", "refuse": "blocked"}}}, "limits": {"requests": "10000/10s", "daily_calls": 10000000}}"#;

/// Starts the lab's destination in another process and has the project name it.
pub fn serve(lab: &mut Lab) -> Served {
    serve_account(lab, "[]")
}

/// As [`serve`], with faults as JSON.
pub fn serve_account(lab: &mut Lab, faults: &str) -> Served {
    let account = ACCOUNT.trim_end_matches('}').to_owned() + &format!("}}, \"faults\": {faults}}}");
    let server = Served::start(lab.path(), &account);
    lab.base_url = format!("{}/hubspot", server.url);
    lab.write();
    server
}

impl Scenario {
    /// A project in which the run is still to come.
    pub fn prepare(&self) -> Lab {
        let mut lab = Lab::new(&[]);
        lab.sql("alter table people add column plan text; alter table people add column about text");
        lab.sql(&format!(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < {ROWS}) \
             insert into people select i, 'p' || i || '@x.io', 'v0', i, 'fine', hex(zeroblob(3000)) from n"
        ));
        let (rows, in_flight) = BATCH;
        lab.project = "spool_memory: 1KB".into();
        let (delivery, mapping) = (self.delivery, self.mapping);
        lab.mapping =
            format!("delivery: {{batch_rows: {rows}, concurrency: {in_flight}{delivery}}}\n{mapping}");
        lab.fields = self.fields.into();
        lab.query = "select id, email, name, score, plan, about from people order by id".into();
        let server = serve(&mut lab);
        (self.before)(&mut lab);
        drop(server);
        lab
    }

    /// The destination has what the source has, and nothing twice.
    pub fn assert_delivered(&self, lab: &Lab) {
        let wanted = self.wanted(lab);
        let mut found = BTreeMap::new();
        for (email, properties) in lab.contacts() {
            let text = |name: &str| properties[name].as_str().unwrap_or_default().to_owned();
            found.insert(email, (text("firstname"), text("score").parse::<f64>().unwrap_or(f64::NAN)));
        }
        if self.keeps {
            found.retain(|email, _| wanted.contains_key(email));
        }
        let differing = |a: &BTreeMap<_, _>, b: &BTreeMap<_, _>| -> Vec<_> {
            a.iter()
                .filter(|(key, value)| b.get(*key) != Some(*value))
                .map(|(key, value)| format!("{key}: {value:?}"))
                .collect()
        };
        let (wrong, missing) = (differing(&found, &wanted), differing(&wanted, &found));
        assert!(wrong.is_empty() && missing.is_empty(), "there is {wrong:?}, there should be {missing:?}");
    }

    /// What the destination must have: name and score by e-mail.
    fn wanted(&self, lab: &Lab) -> BTreeMap<String, (String, f64)> {
        let db = Connection::open(lab.file("warehouse.db")).unwrap();
        let sql = format!("select email, name, score from people where {}", self.deliverable);
        let mut rows = db.prepare(&sql).unwrap();
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)));
        rows.query_map([], row).unwrap().map(Result::unwrap).collect()
    }
}

fn synced(lab: &mut Lab) {
    lab.run(&["sync", "-q"]).ends(0);
}

/// Changes, adds and removals since a first run.
fn edited(lab: &mut Lab) {
    synced(lab);
    lab.sql("update people set name = 'v1' where id % 4 = 0; delete from people where id > 55");
    lab.sql("insert into people select id + 100, 'new' || id || '@x.io', 'new', 1, 'fine', 'x' from people where id <= 12");
}

/// A first run that ended at a point.
fn died(lab: &mut Lab, point: &str) {
    let run = outflow_with(lab.path(), &["sync", "-q"], &[("OUTFLOW_REHEARSE", point)]);
    assert_eq!(run.code, -1, "{run:#?}");
}
