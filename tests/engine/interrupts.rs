//! A run that is interrupted anywhere ends as one that was asked to: what was sent is on record, and nothing is sent twice.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::{Connection, OpenFlags};

use super::lab::{Lab, check_identities};
use super::matrix::{count, each, held, touched};
use super::scenarios::{SCENARIOS, Scenario, serve};
use crate::support::{Run, outflow_with};

const FLAGS: [&str; 3] = ["--allow-changes", "--allow-deletes", "--allow-key-change"];

fn sync(lab: &Lab, plan: &str) -> Run {
    let arguments = [&["sync", "--format", "json"], &FLAGS[..]].concat();
    outflow_with(lab.path(), &arguments, &[("OUTFLOW_REHEARSE", plan)])
}

/// How often each point is passed when nothing happens.
fn points(lab: &Lab) -> Vec<(String, usize)> {
    let mut lab = lab.copy();
    let server = serve(&mut lab);
    let list = lab.file("points");
    sync(&lab, &format!("list:{}", list.display())).ends(0);
    drop(server);
    count(&std::fs::read_to_string(list).unwrap()).into_iter().collect()
}

fn unsettled(lab: &Lab) -> i64 {
    let path = lab.file(".outflow/ledger/people.db");
    match Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY) {
        Ok(db) => db.query_row("select count(*) from intent", [], |row| row.get(0)).unwrap_or(0),
        Err(_) => 0,
    }
}

/// The exit code of a run that was interrupted there; panics where a promise is broken.
fn interrupted(scenario: &Scenario, lab: &Lab, plan: &str) -> i32 {
    let mut lab = lab.copy();
    let server = serve(&mut lab);
    let start = held(&lab);
    let run = sync(&lab, plan);
    let middle = held(&lab);
    let report = run.json()["syncs"][0].clone();
    match run.code {
        130 => {
            assert_eq!(report["status"], "interrupted", "{run:#?}");
            assert_eq!(report["error"]["code"], "OF-RUN-040", "{run:#?}");
        }
        // All had been sent by then.
        0 => assert_eq!(report["pending"], 0, "{run:#?}"),
        _ => panic!("{run:#?}"),
    }
    check_identities(&report);
    assert_eq!(unsettled(&lab), 0, "batches in flight did not settle");
    let again = lab.sync_with(&FLAGS, 0);
    assert_eq!(again["pending"], 0, "{again:#}");
    scenario.assert_delivered(&lab);
    let (before, after) = (touched(&start, &middle), touched(&middle, &held(&lab)));
    let twice: Vec<_> = before.intersection(&after).collect();
    assert!(twice.is_empty(), "sent twice: {twice:?}");
    let writes = server.writes();
    lab.sync(0);
    assert_eq!(server.writes(), writes, "a rerun sends nothing");
    run.code
}

#[test]
fn a_run_that_is_interrupted_anywhere_ends_in_order() {
    let names = ["first run", "mirror"];
    let scenarios = SCENARIOS.iter().filter(|scenario| names.contains(&scenario.name));
    let prepared: Vec<(&Scenario, Lab)> = scenarios.map(|scenario| (scenario, scenario.prepare())).collect();
    // Each point once, in the last scenario that passes it.
    let mut cells = BTreeMap::new();
    for (scenario, lab) in &prepared {
        for (point, times) in points(lab) {
            cells.insert(point, (*scenario, lab, times.div_ceil(2)));
        }
    }
    let ends = each(cells.into_iter().collect(), |(point, (scenario, lab, n))| {
        let plan = format!("interrupt:{point}:{n}");
        let end = catch_unwind(AssertUnwindSafe(|| interrupted(scenario, lab, &plan)));
        (format!("{}: {plan}", scenario.name), point.clone(), end.ok())
    });
    let failed: Vec<_> =
        ends.iter().filter(|(_, _, end)| end.is_none()).map(|(name, ..)| name.clone()).collect();
    assert!(
        failed.is_empty(),
        "{} of {} interrupts end badly:\n{}",
        failed.len(),
        ends.len(),
        failed.join("\n")
    );
    let stopped: BTreeSet<&str> =
        ends.iter().filter(|(_, _, end)| *end == Some(130)).map(|(_, point, _)| &**point).collect();
    println!("{} interrupts, stopped at {stopped:?}", ends.len());
    for point in
        ["run.leased", "run.ledger", "spool.flushed", "run.extracted", "deliver.intent", "deliver.settled"]
    {
        assert!(stopped.contains(point), "a run went on after an interrupt at `{point}`: {stopped:?}");
    }
}
