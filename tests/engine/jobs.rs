//! The accidents of a run whose destination works by jobs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;

use super::asynchronous::{project, rehearse, server, sql, sync, sync_and_die, write};
use super::matrix::{count, each, moments};

/// Rows of a job, of which one is in flight at a time.
const JOB: usize = 2;

/// A project whose next run sends several jobs.
fn fresh() -> TempDir {
    let folder = project("");
    let mapping = folder.path().join("mappings/things.yml");
    let text = std::fs::read_to_string(&mapping).unwrap();
    let more = format!("delivery: {{batch_rows: {JOB}}}\nguards: {{max_delete: 100%, key_change: false}}\n");
    std::fs::write(&mapping, text + &more).unwrap();
    sql(folder.path(), "insert into things values (3, 'c'), (4, 'd'), (5, 'e')");
    folder
}

/// The same, after a run that ended with a job uploaded.
fn unsettled() -> TempDir {
    let folder = fresh();
    write(folder.path(), "upload");
    sync_and_die(folder.path());
    write(folder.path(), "");
    sql(folder.path(), "update things set name = 'new' where id = 1; delete from things where id = 2");
    folder
}

/// Lets a run end at each point that it passes, and checks what the next one makes of it; the points.
pub fn accidents() -> BTreeSet<String> {
    let mut cells = Vec::new();
    for prepare in [fresh, unsettled] {
        let folder = prepare();
        let list = folder.path().join("points");
        assert!(!rehearse(folder.path(), Some(&format!("list:{}", list.display()))));
        for (point, times) in count(&std::fs::read_to_string(list).unwrap()) {
            cells.extend(moments(times).into_iter().map(|n| (prepare, point.clone(), n)));
        }
    }
    let struck = each(cells, |(prepare, point, n)| {
        let folder = prepare();
        let aborted = rehearse(folder.path(), Some(&format!("{point}:{n}")));
        assert_made_good(folder.path(), &format!("{point}:{n}"));
        aborted.then(|| point.clone())
    });
    struck.into_iter().flatten().collect()
}

fn assert_made_good(folder: &Path, plan: &str) {
    let report = sync(folder);
    assert!(report.error.is_none(), "{plan}: {report:?}");
    let objects = server(folder).objects();
    let found: BTreeMap<String, String> =
        objects.iter().map(|(key, object)| (key.clone(), object.fields["name"].clone())).collect();
    assert_eq!(found, source(folder), "{plan}");
    let repeated = objects.values().filter(|object| object.jobs.len() > 1).count();
    assert!(repeated <= 2 * JOB, "{plan}: more was sent twice than was in flight: {objects:?}");
    assert_eq!(sync(folder).counts.requests, 0, "{plan}: a rerun sends nothing");
}

fn source(folder: &Path) -> BTreeMap<String, String> {
    let db = Connection::open(folder.join("warehouse.db")).unwrap();
    let mut rows = db.prepare("select cast(id as text), name from things").unwrap();
    rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect()
}
