//! Bulk jobs that outlive the process: killed between handle and upload, and between upload and settling.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use outflow::ledger::Ledger;
use outflow::project::{LoadOptions, Project};
use outflow::sync::event::{Silent, SyncReport};
use outflow::sync::{Cancel, RunOptions, run};
use outflow_connectors::conformance::asynchronous;
use outflow_connectors::registry::{Connector, Registry};
use rusqlite::Connection;
use tempfile::TempDir;

const FOLDER: &str = "OUTFLOW_TEST_FOLDER";
const REHEARSE: &str = "OUTFLOW_REHEARSE";
static CONNECTORS: [Connector; 2] = [asynchronous::CONNECTOR, outflow_connectors::sqlite::CONNECTOR];

pub fn project(abort_at: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::create_dir(folder.path().join("mappings")).unwrap();
    let remote = folder.path().join("remote");
    std::fs::create_dir(&remote).unwrap();
    write(folder.path(), abort_at);
    let mapping = "sync: things\nsource: {connection: warehouse, query: \"select id, name from things\", primary_key: id}\n\
                   destination: {connection: bulk, object: things, match_on: {key: id}}\nmode: mirror\nfields: {name: name}\n";
    std::fs::write(folder.path().join("mappings/things.yml"), mapping).unwrap();
    sql(
        folder.path(),
        "create table things (id integer primary key, name text); insert into things values (1, 'a'), (2, 'b')",
    );
    folder
}

pub fn write(folder: &Path, abort_at: &str) {
    let remote = folder.join("remote");
    let text = format!(
        "name: bulk\nconnections:\n  warehouse: {{type: sqlite, path: warehouse.db}}\n  \
         bulk: {{type: asynchronous, path: \"{}\", abort_at: \"{abort_at}\"}}\n",
        remote.display()
    );
    std::fs::write(folder.join("outflow.yml"), text).unwrap();
}

pub fn sql(folder: &Path, sql: &str) {
    Connection::open(folder.join("warehouse.db")).unwrap().execute_batch(sql).unwrap();
}

pub fn server(folder: &Path) -> asynchronous::Server {
    asynchronous::Server { folder: folder.join("remote") }
}

pub fn sync(folder: &Path) -> SyncReport {
    let registry = Registry(&CONNECTORS);
    let options = LoadOptions { dir: Some(folder.to_owned()), ..LoadOptions::new(registry) };
    let project = Project::load(&options).unwrap_or_else(|problems| panic!("{problems:?}")).project;
    let options = RunOptions { selected: vec![0], jobs: 1, ..RunOptions::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(run(&project, &options, Arc::new(Silent), Cancel::new())).remove(0)
}

/// Runs the sync in a process of its own, which the destination aborts.
pub fn sync_and_die(folder: &Path) {
    assert!(rehearse(folder, None), "the process was not aborted");
}

/// Runs the sync in a process of its own, in which this accident happens; whether it was aborted.
pub fn rehearse(folder: &Path, plan: Option<&str>) -> bool {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "engine::asynchronous::child", "--nocapture"])
        .env(FOLDER, folder)
        .envs(plan.map(|plan| (REHEARSE, plan)))
        .output()
        .unwrap()
        .status;
    std::os::unix::process::ExitStatusExt::signal(&status) == Some(6)
}

/// Not a test of its own: the process that [`sync_and_die`] starts.
#[test]
fn child() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        #[cfg(debug_assertions)]
        if let Ok(plan) = std::env::var(REHEARSE) {
            outflow_connectors::rehearsal::arm(&plan);
        }
        let report = sync(Path::new(&folder));
        panic!("the run ended: {report:?}");
    }
}

#[test]
fn a_job_is_filled_and_settled() {
    let folder = project("");
    let report = sync(folder.path());
    assert_eq!((report.counts.delivered, report.error.is_none()), (2, true), "{report:?}");
    assert_eq!(server(folder.path()).objects()["1"].fields["name"], "a");
    assert_eq!(sync(folder.path()).counts.requests, 0);
}

#[test]
fn killed_between_handle_and_upload_the_rows_are_sent_again() {
    let folder = project("handle");
    sync_and_die(folder.path());
    assert_eq!(server(folder.path()).jobs(), ["job-0001"]);
    assert!(server(folder.path()).objects().is_empty());
    write(folder.path(), "");
    let report = sync(folder.path());
    assert_eq!((report.counts.added, report.counts.delivered), (2, 2), "{report:?}");
    assert_eq!(server(folder.path()).objects()["2"].jobs, ["job-0002"]);
    assert_eq!(sync(folder.path()).counts.unchanged, 2);
}

#[test]
fn killed_between_upload_and_settling_the_results_are_taken() {
    let folder = project("upload");
    sync_and_die(folder.path());
    write(folder.path(), "");
    let report = sync(folder.path());
    assert_eq!((report.counts.unchanged, report.counts.sent), (2, 0), "{report:?}");
    assert_eq!(server(folder.path()).jobs(), ["job-0001"], "nothing was uploaded twice");
    assert_eq!(server(folder.path()).objects()["1"].jobs, ["job-0001"]);
}

#[test]
fn a_row_edited_after_the_crash_is_sent_with_its_current_record() {
    let folder = project("upload");
    sync_and_die(folder.path());
    write(folder.path(), "");
    sql(folder.path(), "update things set name = 'new' where id = 1");
    let report = sync(folder.path());
    assert_eq!(
        (report.counts.changed, report.counts.unchanged, report.counts.delivered),
        (1, 1, 1),
        "{report:?}"
    );
    assert_eq!(server(folder.path()).objects()["1"].fields["name"], "new");
}

/// Sets what a job says it did.
fn set_result(folder: &Path, job: &str, keys: &str) {
    std::fs::write(folder.join("remote/jobs").join(job).join("result.json"), keys).unwrap();
}

#[test]
fn an_older_jobs_word_does_not_settle_a_row_that_a_newer_job_may_have_changed() {
    let folder = project("upload");
    sync_and_die(folder.path());
    // The first job's results name nothing, so its rows are sent again, in a second job that is not settled either.
    set_result(folder.path(), "job-0001", "[]");
    sql(folder.path(), "update things set name = name || '2'");
    sync_and_die(folder.path());
    assert_eq!(server(folder.path()).jobs(), ["job-0001", "job-0002"]);
    // Now the first claims its rows, and the second tells nothing: it may have overwritten them.
    set_result(folder.path(), "job-0001", "[\"1\", \"2\"]");
    set_result(folder.path(), "job-0002", "[]");
    sql(folder.path(), "update things set name = substr(name, 1, 1)");
    write(folder.path(), "");
    let report = sync(folder.path());
    assert_eq!((report.counts.sent, report.counts.delivered), (2, 2), "{report:?}");
    assert_eq!(server(folder.path()).objects()["1"].fields["name"], "a");
}

/// A job of an earlier run that does not say what became of its creates proves nothing of them.
#[test]
fn a_create_that_its_job_does_not_name_is_held_and_never_repeated() {
    let folder = project("upload");
    let mapping = folder.path().join("mappings/things.yml");
    let text = std::fs::read_to_string(&mapping).unwrap().replace("mode: mirror", "mode: insert");
    std::fs::write(&mapping, text).unwrap();
    sync_and_die(folder.path());
    set_result(folder.path(), "job-0001", "[\"1\"]");
    write(folder.path(), "");
    for _ in 0..2 {
        let report = sync(folder.path());
        assert_eq!((report.counts.parked, report.counts.sent), (1, 0), "{report:?}");
    }
    assert_eq!(server(folder.path()).jobs(), ["job-0001"], "something was sent blindly");
}

#[test]
fn a_create_that_nobody_can_look_up_is_held_and_never_repeated() {
    let folder = project("start");
    let mapping = folder.path().join("mappings/things.yml");
    let text = std::fs::read_to_string(&mapping).unwrap().replace("mode: mirror", "mode: insert");
    std::fs::write(&mapping, text).unwrap();
    sync_and_die(folder.path());
    write(folder.path(), "");
    for _ in 0..2 {
        let report = sync(folder.path());
        assert_eq!((report.counts.added, report.counts.parked, report.counts.sent), (2, 2, 0), "{report:?}");
    }
    assert!(server(folder.path()).jobs().is_empty(), "something was sent blindly");
    let ledger = Ledger::read(&Ledger::path(&folder.path().join(".outflow"), "things")).unwrap().unwrap();
    let codes: Vec<String> = ledger.refusals().unwrap().into_iter().map(|refusal| refusal.code).collect();
    assert_eq!(codes, ["OF-RUN-033", "OF-RUN-033"], "the rows are shown");
}
