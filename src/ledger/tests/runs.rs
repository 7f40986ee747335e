//! Run history, the salt.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::support::*;
use crate::error::ErrorKind;
use crate::ledger::*;

fn finished(run_id: &str, number: u64, status: &str, start: i64) -> RunRecord {
    RunRecord {
        run_id: run_id.into(),
        sync: "contacts".into(),
        kind: "sync".into(),
        number,
        target: Some("prod".into()),
        status: status.into(),
        started_at: time(start),
        duration_ms: 1_500,
        counts: r#"{"sent":1}"#.into(),
        error: (status == "failed").then(|| r#"{"code":"OF-SRC-001"}"#.into()),
    }
}

#[test]
fn runs_are_counted_kept_and_found() {
    let home = Home::new();
    let state = State::open(home.path()).unwrap();
    assert_eq!(
        (state.next_run_number("contacts").unwrap(), state.last_success("contacts").unwrap()),
        (1, None)
    );
    let mut expected = Vec::new();
    for (number, status) in [(1, "ok"), (2, "partial"), (3, "failed")] {
        let start = number as i64 * 10;
        let (id, given) = state.begin_run("contacts", Some("prod"), time(start)).unwrap();
        assert_eq!(given, number);
        let run = finished(&id, number, status, start);
        state.finish_run(&run).unwrap();
        expected.insert(0, run);
    }
    let other = state.begin_run("companies", None, time(5)).unwrap();
    assert_eq!((other.1, state.next_run_number("contacts").unwrap()), (1, 4));
    drop(state);
    let state = State::read(home.path()).unwrap().unwrap();
    assert_eq!(state.runs(Some("contacts"), 10).unwrap(), expected);
    assert_eq!(state.runs(None, 3).unwrap(), expected);
    assert_eq!(state.runs(None, 10).unwrap().len(), 4);
    assert_eq!(state.run(&expected[1].run_id).unwrap().as_ref(), Some(&expected[1]));
    assert_eq!(state.run("nothing").unwrap(), None);
    let newest =
        |status: &'static str| state.newest_run("contacts", move |run| run.status == status).unwrap();
    assert_eq!((newest("partial"), newest("held")), (Some(expected[1].clone()), None));
    let end = time(20).checked_add(jiff::SignedDuration::from_millis(1_500)).unwrap();
    assert_eq!(state.last_success("contacts").unwrap(), Some(end));
}

#[test]
fn a_run_counts_once_it_may_have_sent_something_however_it_ends() {
    let home = Home::new();
    let state = State::open(home.path()).unwrap();
    let begin = || state.begin_run("contacts", None, time(0)).unwrap();
    let ran_before = |number| state.ran_before("contacts", number).unwrap();
    let (held, number) = begin();
    let unsent = RunRecord { counts: r#"{"sent":0}"#.into(), ..finished(&held, number, "held", 0) };
    state.may_send("contacts", number).unwrap();
    state.finish_run(&unsent).unwrap();
    let (_, killed) = begin();
    assert!(!ran_before(killed + 1), "nothing was sent by the one, and not yet by the other");
    state.may_send("contacts", killed).unwrap();
    assert!(ran_before(killed + 1));
    assert!(!ran_before(killed), "a run is not before itself");
    assert!(!state.ran_before("companies", 9).unwrap());
    let (id, quota) = state.begin_backfill("companies", None, time(0)).unwrap();
    let sent =
        RunRecord { sync: "companies".into(), kind: "backfill".into(), ..finished(&id, quota, "quota", 0) };
    state.finish_run(&sent).unwrap();
    assert!(state.ran_before("companies", quota + 1).unwrap());
}

#[test]
fn the_last_run_is_the_last_although_the_clock_went_back() {
    let home = Home::new();
    let state = State::open(home.path()).unwrap();
    let ids: Vec<_> =
        [100, 90_000, 50].map(|at| state.begin_run("contacts", None, time(at)).unwrap().0).into();
    let shown = state.runs(Some("contacts"), 10).unwrap().into_iter().map(|run| run.run_id);
    assert_eq!(shown.collect::<Vec<_>>(), ids.into_iter().rev().collect::<Vec<_>>());
}

#[test]
fn run_ids_sort_by_time_and_a_start_is_enough() {
    let home = Home::new();
    let state = State::open(home.path()).unwrap();
    let ids: Vec<_> =
        (0..3).map(|n| state.begin_run("contacts", None, time(n * 100_000)).unwrap().0).collect();
    assert!(ids.is_sorted());
    assert_eq!(&ids[0][..17], "20270115T080000Z-");
    assert_eq!(ids[0].len(), 23);
    assert_eq!(state.run(&ids[1][..17]).unwrap().unwrap().run_id, ids[1]);
    let error = state.run("2027").unwrap_err();
    assert_eq!((error.code, error.kind), (codes::AMBIGUOUS_RUN, ErrorKind::Usage));
    assert!(error.message.contains(&ids[0]), "{error}");
}

#[test]
fn a_run_that_never_ended_is_interrupted_once_its_lease_is_gone() {
    let home = Home::new();
    let state = State::open(home.path()).unwrap();
    let lease = state.acquire("contacts").unwrap();
    let (first, _) = state.begin_run("contacts", None, time(0)).unwrap();
    let status = |id: &str| state.run(id).unwrap().unwrap().status;
    assert_eq!(status(&first), "running");
    lease.release().unwrap();
    assert_eq!(status(&first), "interrupted");
    let _next = state.acquire("contacts").unwrap();
    let (second, _) = state.begin_run("contacts", None, time(1)).unwrap();
    assert_eq!((status(&first).as_str(), status(&second).as_str()), ("interrupted", "running"));
}

#[test]
fn a_reader_of_the_state_cannot_write() {
    let home = Home::new();
    State::open(home.path()).unwrap();
    let state = State::read(home.path()).unwrap().unwrap();
    assert_eq!(state.begin_run("contacts", None, time(0)).unwrap_err().kind, ErrorKind::Internal);
    assert_eq!(state.acquire("contacts").unwrap_err().kind, ErrorKind::Internal);
}

#[test]
fn a_salt_is_made_once_and_tells_nobody() {
    let home = Home::new();
    let salt = Salt::open(home.path()).unwrap();
    assert_eq!(Salt::open(home.path()).unwrap(), salt);
    assert_eq!(Salt::read(home.path()).unwrap(), Some(salt.clone()));
    assert_ne!(Salt::throwaway(), Salt::throwaway());
    assert_eq!(format!("{salt:?}"), "Salt(..)");
    let file = home.path().join("salt");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text.len(), 65);
    for bad in ["", &text[..60], &text.replace(&text[..1], "x"), &format!("{text}{text}")] {
        fs::write(&file, bad).unwrap();
        let error = Salt::open(home.path()).unwrap_err();
        assert_eq!((error.code, error.kind), (codes::SALT, ErrorKind::State));
        assert!(!error.message.contains(&text[..8]));
        assert_eq!(fs::read_to_string(&file).unwrap(), bad);
    }
}
