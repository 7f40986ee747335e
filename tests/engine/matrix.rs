//! Every kind of run ends at every named point; one clean run makes it good.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rusqlite::{Connection, OpenFlags};

use super::lab::Lab;
use super::scenarios::{BATCH, SCENARIOS, Scenario, serve};
use crate::support::{Run, outflow_with};

const REHEARSE: &str = "OUTFLOW_REHEARSE";
/// Flags of the runs after an accident.
const CLEAN: &[&str] = &["--allow-changes", "--allow-deletes", "--allow-key-change"];
/// Batches that may be unsettled at once: those in flight, and as many whose answers are just being stored.
pub const UNSETTLED: usize = 2 * BATCH.1;
const WORKERS: usize = 3;

/// One accident: a scenario, and the point at whose n-th passing its run ends.
struct Cell<'a> {
    scenario: &'a Scenario,
    lab: &'a Lab,
    plan: String,
}

#[test]
fn a_run_that_ends_anywhere_is_made_good_by_the_next() {
    let prepared: Vec<(&Scenario, Lab)> =
        each(SCENARIOS.iter().collect(), |scenario| (*scenario, scenario.prepare()));
    let passed = each(prepared.iter().collect(), |(scenario, lab)| points_passed(scenario, lab));
    let mut cells = Vec::new();
    for ((scenario, lab), passed) in prepared.iter().zip(&passed) {
        for (point, times) in passed {
            cells.extend(moments(*times).into_iter().map(|n| Cell {
                scenario,
                lab,
                plan: format!("{point}:{n}"),
            }));
        }
    }
    let number = cells.len();
    let outcomes = each(cells, |cell| {
        let tried = catch_unwind(AssertUnwindSafe(|| accident(cell)));
        (cell.scenario.name, cell.plan.clone(), tried)
    });
    let failed: Vec<String> = outcomes
        .iter()
        .filter_map(|(scenario, plan, tried)| tried.as_ref().err().map(|_| format!("{scenario}: {plan}")))
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {number} accidents are not made good (their messages stand above):\n{}",
        failed.len(),
        failed.join("\n")
    );
    let mut struck: BTreeSet<String> = outcomes
        .iter()
        .filter(|(_, _, tried)| matches!(tried, Ok(true)))
        .filter_map(|(_, plan, _)| Some(plan.split_once(':')?.0.to_owned()))
        .collect();
    struck.extend(super::jobs::accidents());
    struck.extend(super::buckets::POINTS.map(str::to_owned));
    struck.extend(super::imports::POINTS.map(str::to_owned));
    struck.extend(super::linked::POINTS.map(str::to_owned));
    struck.extend(super::lost_imports::POINTS.map(str::to_owned));
    struck.extend(super::remotes::POINTS.map(str::to_owned));
    struck.extend(super::uploads::POINTS.map(str::to_owned));
    struck.extend(super::warehouses::POINTS.map(str::to_owned));
    let mut never = super::points::named();
    never.retain(|name| !name.starts_with(super::parts::POINTS) && !struck.contains(name));
    println!("{number} accidents");
    assert!(never.is_empty(), "no run ended at these points: {never:?}");
}

/// Does the same with all items, some at a time; results in the order of the items.
pub fn each<T: Sync, R: Send>(items: Vec<T>, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((index, item)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    items.get(index).map(|item| (index, item))
                } {
                    let result = work(item);
                    done.lock().unwrap().insert(index, result);
                }
            });
        }
    });
    done.into_inner().unwrap().into_values().collect()
}

fn sync(lab: &Lab, flags: &[&str], plan: Option<&str>) -> Run {
    let arguments: Vec<&str> = ["sync", "--format", "json"].iter().chain(flags).copied().collect();
    let variables: Vec<_> = plan.map(|plan| (REHEARSE, plan)).into_iter().collect();
    outflow_with(lab.path(), &arguments, &variables)
}

/// How often the scenario's run passes each point when nothing happens.
fn points_passed(scenario: &Scenario, lab: &Lab) -> BTreeMap<String, usize> {
    let mut lab = lab.copy();
    let server = serve(&mut lab);
    let list = lab.file("points");
    sync(&lab, scenario.flags, Some(&format!("list:{}", list.display()))).ends(scenario.code);
    drop(server);
    count(&std::fs::read_to_string(list).unwrap())
}

/// How often each point stands in a list.
pub fn count(list: &str) -> BTreeMap<String, usize> {
    let mut passed = BTreeMap::new();
    for name in list.lines() {
        *passed.entry(name.to_owned()).or_insert(0) += 1;
    }
    passed
}

/// Of so many passings, those to end at: the first, the last, and some between.
pub fn moments(times: usize) -> BTreeSet<usize> {
    BTreeSet::from([1, times.div_ceil(2), times])
}

/// Whether the run ended there; panics where a promise is broken.
fn accident(cell: &Cell<'_>) -> bool {
    let scenario = cell.scenario;
    let mut lab = cell.lab.copy();
    let server = serve(&mut lab);
    let start = held(&lab);
    let struck = sync(&lab, scenario.flags, Some(&cell.plan)).code == -1;
    let middle = held(&lab);
    // A full refresh goes on without being asked for again.
    sync(&lab, CLEAN, None).ends(scenario.code);
    let end = held(&lab);
    scenario.assert_delivered(&lab);
    let (before, after) = (touched(&start, &middle), touched(&middle, &end));
    let twice: Vec<_> = before.intersection(&after).collect();
    assert!(twice.len() <= BATCH.0 * UNSETTLED, "more was sent twice than was in flight: {twice:?}");
    let writes = server.writes();
    sync(&lab, CLEAN, None).ends(scenario.code);
    assert_eq!(server.writes(), writes, "a rerun sends nothing");
    struck
}

/// Every object of the destination: when it was written last, and whether it is archived.
pub fn held(lab: &Lab) -> BTreeMap<String, (String, bool)> {
    let path = lab.file(".outflow/sandbox.db");
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut rows = db.prepare("select id, updated_at, archived from objects").unwrap();
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, (row.get(1)?, row.get(2)?)));
    rows.query_map([], row).unwrap().map(Result::unwrap).collect()
}

/// Ids of objects that were written between two looks.
pub fn touched(
    before: &BTreeMap<String, (String, bool)>,
    after: &BTreeMap<String, (String, bool)>,
) -> BTreeSet<String> {
    after.iter().filter(|(id, now)| before.get(*id) != Some(now)).map(|(id, _)| id.clone()).collect()
}
