//! Imports: what a file can say, where it goes, and what becomes of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value as Json, json};

use super::{BEST, Kept, NEWS, Rig, change, is_applied, letters, rejected, target, text};
use crate::contract::{
    Change, ConnectorError, Destination, Kind, Outcome, Permission, RemoteHandle, RunContext, Session,
    Submitted, Target, Value, Verb,
};

fn day() -> Value {
    Value::Date("2026-02-03".parse().unwrap())
}

fn upserts(count: usize) -> Vec<Change> {
    let row = |n: usize| {
        let fields = [
            ("first_name", text("Zoë, \"Z\"")),
            ("score", Value::Integer(n as i64)),
            ("since", day()),
            ("plan", text("a")),
        ];
        change(Verb::Upsert, &format!("p{n}@x.io"), &fields)
    };
    (0..count).map(row).collect()
}

fn imported() -> Target {
    target(json!({"lists": [NEWS, BEST], "api": "import"}))
}

#[tokio::test]
async fn rows_that_fill_every_column_go_by_a_file_and_the_others_by_a_call() {
    let rig = Rig::start(json!({})).await;
    let mut changes = upserts(300);
    changes[4].fields[1].value = Value::Null;
    changes[5].fields.remove(4);
    changes[6] = change(Verb::Upsert, "", &[]);
    changes[7] = change(Verb::Upsert, "no address", &[]);
    changes[8].fields[4].value = text("gold");
    let outcomes = rig.submit(&imported(), changes).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        match number {
            6 => assert_eq!(rejected(outcome), "KEY_EMPTY"),
            7 => assert_eq!(rejected(outcome), "INVALID_CONTACT"),
            8 => assert_eq!(rejected(outcome), "JOB_ROW_REFUSED"),
            _ => assert!(is_applied(outcome), "{number}: {outcome:?}"),
        }
    }
    // The import and its file; the call, and once more without the row that was refused.
    assert_eq!((rig.requests("writes"), rig.jobs().await), (4, 2));
    let contacts = rig.contacts().await;
    assert_eq!(contacts.len(), 297);
    let mut expected = json!({
        "email": "p9@x.io", "first_name": "Zoë, \"Z\"", "score": 9, "since": "2026-02-03T00:00:00Z", "plan": "a",
        "list_ids": [BEST, NEWS],
    });
    let mut shown = contacts["p9@x.io"].clone();
    // A cell is a text until the service reads it.
    for of in [&mut expected, &mut shown] {
        of["score"] = of["score"].to_string().trim_matches('"').into();
    }
    assert_eq!(shown, expected);
    let traffic = rig.destination.traffic();
    assert_eq!(traffic.writes, 4, "the file counts as well: {traffic:?}");
}

#[tokio::test]
async fn few_rows_and_dates_go_by_calls_unless_an_import_is_asked_for() {
    let rig = Rig::start(json!({})).await;
    assert!(rig.submit(&target(json!({})), upserts(3)).await.iter().all(is_applied));
    assert_eq!(rig.requests("writes"), 1);
    let bulk =
        |options: Json| rig.destination.capabilities(&target(options)).unwrap().bulk.map(|bulk| bulk.from);
    assert_eq!(bulk(json!({"api": "import"})), Some(0));
    assert_eq!(bulk(json!({})), Some(300_000));
    assert_eq!(bulk(json!({"api": "contacts"})), None);
    let capabilities = rig.destination.capabilities(&target(json!({}))).unwrap();
    assert_eq!((capabilities.batch_rows, capabilities.batch_bytes), (30_000, Some(6_000_000)));
}

/// The header has 34 bytes, and a row 47 or 49: so many bytes are the first twenty rows.
const TWENTY: u64 = 34 + 10 * 47 + 10 * 49;

#[tokio::test]
async fn a_batch_whose_file_is_too_large_goes_by_several_imports() {
    let mut rig = Rig::start(json!({})).await;
    rig.destination.file_limits.bytes = TWENTY;
    assert!(rig.submit(&imported(), upserts(20)).await.iter().all(is_applied));
    assert_eq!((rig.requests("writes"), rig.jobs().await), (2, 1), "an import and its file");
    rig.destination.file_limits.bytes = TWENTY - 1;
    assert!(rig.submit(&imported(), upserts(20)).await.iter().all(is_applied));
    assert_eq!((rig.requests("writes"), rig.jobs().await), (2 + 4, 1 + 2));
    assert_eq!(rig.contacts().await.len(), 20);
}

#[tokio::test]
async fn a_row_that_no_file_has_room_for_goes_by_a_call_or_is_refused() {
    let mut rig = Rig::start(json!({})).await;
    rig.destination.file_limits.bytes = 1_000;
    let mut changes = upserts(6);
    changes[3].fields[4].value = text(&"x".repeat(2_000));
    changes[4].fields[4].value = text(&"x".repeat(6_000_001));
    let outcomes = rig.submit(&imported(), changes).await;
    assert_eq!((letters(&outcomes).as_str(), rejected(&outcomes[4])), ("aaaara", "CONTACT_TOO_LONG"));
    assert_eq!((rig.requests("writes"), rig.jobs().await), (3, 2), "an import and its file, and a call");
    assert_eq!(rig.contacts().await.len(), 5);
}

/// Each import is written down twice.
#[tokio::test]
async fn a_failure_after_the_first_of_several_imports_leaves_the_rest_of_the_batch_unsent() {
    let mut rig = Rig::start(json!({})).await;
    rig.destination.file_limits.bytes = TWENTY;
    let mut changes = upserts(30);
    changes[2].fields[1].value = Value::Null;
    let disk = Kept::with_room(2);
    let Submitted::Done(receipt) = session(&rig).await.submit(&changes, &disk).await.unwrap() else {
        panic!()
    };
    let expected = "aad".to_owned() + &"a".repeat(17) + &"d".repeat(10);
    assert_eq!(
        letters(receipt.outcomes()),
        expected,
        "the row that a call would have had is not sent either"
    );
    assert_eq!(rig.contacts().await.len(), 19);
}

/// The run closes behind an import and its file, which are two writes.
#[derive(Debug, Default)]
struct ClosesBehindFile(AtomicUsize);

#[async_trait]
impl Permission for ClosesBehindFile {
    fn check(&self) -> Result<(), ConnectorError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    async fn closing(&self) {
        while self.0.load(Ordering::SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

#[tokio::test]
async fn a_run_that_closes_while_it_waits_for_an_import_begins_no_other() {
    let mut rig = Rig::start(json!({"job_polls": 1_000_000})).await;
    rig.destination.file_limits.bytes = TWENTY;
    let closing = Arc::new(ClosesBehindFile::default());
    let context = RunContext { permission: closing.clone(), ..RunContext::alone("run", "sync") };
    let session = rig.destination.open(&imported(), context).await.unwrap();
    match session.submit(&upserts(30), &Kept::default()).await.unwrap() {
        Submitted::Stopped(receipt, error) => {
            let expected = "u".repeat(20) + &"d".repeat(10);
            assert_eq!((letters(receipt.outcomes()), error.kind), (expected, Kind::Revoked));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(closing.0.load(Ordering::SeqCst), 2);
}

/// The emulator's store refuses whoever shows it a key, leaves out a header, or sends a body of unknown length.
#[tokio::test]
async fn a_file_that_does_not_arrive_leaves_its_rows_unsent() {
    for (fault, word) in [
        (json!({"do": "status", "code": 403, "path": "/__files/imports"}), "403"),
        (json!({"do": "status", "code": 400, "path": "/__files/imports"}), "400"),
    ] {
        let rig = Rig::start(json!({"faults": [fault]})).await;
        let error = rig.try_submit(&imported(), upserts(3)).await.unwrap_err();
        assert_eq!((error.kind, error.code.as_deref()), (Kind::Unavailable, Some("UPLOAD_REFUSED")));
        assert!(error.message.contains(word) && !error.message.contains("s3cr3t"), "{error}");
        assert!(rig.contacts().await.is_empty());
    }
    let lost = json!({"do": "lost_ack", "path": "/__files/imports", "times": 1});
    let rig = Rig::start(json!({"faults": [lost]})).await;
    assert_eq!(letters(&rig.submit(&imported(), upserts(3)).await), "aaa");
}

#[tokio::test]
async fn a_file_whose_answer_is_lost_for_good_is_told_by_its_job() {
    let lost = json!({"do": "lost_ack", "path": "/__files/imports"});
    let rig = Rig::start(json!({"faults": [lost]})).await;
    assert_eq!(letters(&rig.submit(&imported(), upserts(3)).await), "aaa");
    assert_eq!(rig.contacts().await.len(), 3);
}

#[tokio::test]
async fn an_import_that_is_refused_before_its_file_sends_nothing() {
    for (code, kind) in [(400, Kind::Config), (401, Kind::Auth), (404, Kind::Config)] {
        let fault = json!({"do": "status", "code": code, "path": "/contacts/imports"});
        let rig = Rig::start(json!({"faults": [fault]})).await;
        let error = rig.try_submit(&imported(), upserts(3)).await.unwrap_err();
        assert!(error.kind == kind && error.hint.is_some(), "{code}: {error:?}");
        assert!(rig.contacts().await.is_empty());
    }
}

async fn session(rig: &Rig) -> Box<dyn Session> {
    rig.destination.open(&imported(), RunContext::alone("run", "sync")).await.unwrap()
}

#[tokio::test]
async fn an_import_that_a_run_left_is_settled_by_the_next() {
    let fault = json!({"do": "status", "code": 403, "path": "/contacts/imports/", "times": 1});
    let rig = Rig::start(json!({"faults": [fault]})).await;
    let (kept, mut changes) = (Kept::default(), upserts(5));
    changes[3].fields[4].value = text("gold");
    let Submitted::Done(receipt) = session(&rig).await.submit(&changes, &kept).await.unwrap() else {
        panic!()
    };
    assert_eq!(letters(receipt.outcomes()), "uuuuu");
    let handle = kept.last().unwrap();
    assert!(handle.0.starts_with("f:") && handle.0.ends_with(":0-4"), "{handle:?}");
    let bare: Vec<Change> = changes.iter().map(|c| Change { fields: Vec::new(), ..c.clone() }).collect();
    let receipt = session(&rig).await.settle(&handle, &bare).await.unwrap();
    assert_eq!(letters(receipt.outcomes()), "aaara");
    assert_eq!(rig.contacts().await.len(), 4);
}

#[tokio::test]
async fn an_import_is_written_down_before_its_file_goes_up() {
    let rig = Rig::start(json!({})).await;
    let full = Kept::with_room(0);
    let error = session(&rig).await.submit(&upserts(3), &full).await.err().unwrap();
    assert_eq!(error.message, "the disk is full");
    assert_eq!((rig.requests("writes"), rig.contacts().await.len()), (1, 0), "the import alone");
    // One that never got its file stays pending, and says nothing of its rows.
    let refused = json!({"do": "status", "code": 403, "path": "/__files/imports"});
    let rig = Rig::start(json!({"faults": [refused]})).await;
    let kept = Kept::default();
    assert!(session(&rig).await.submit(&upserts(2), &kept).await.is_err());
    let handle = kept.last().unwrap();
    let before = RemoteHandle(handle.0.replace("f:", "e:"));
    assert!(before != handle, "it is said before the file goes up: {handle:?}");
    let receipt = session(&rig).await.settle(&before, &upserts(2)).await.unwrap();
    assert!(receipt.outcomes().iter().all(|o| matches!(o, Outcome::Unknown { .. })), "{receipt:?}");
}

/// The run hears nothing of its job, and the next one asks for more than five seconds, each question two milliseconds after
/// the last at the earliest.
#[tokio::test]
async fn an_import_that_may_have_its_file_is_waited_for_beyond_the_grace() {
    let lost = json!({"do": "lost_ack", "path": "/__files/imports"});
    let unheard = json!({"do": "status", "code": 403, "path": "/contacts/imports/", "times": 1});
    let rig = Rig::start(json!({"job_polls": 2_600, "faults": [lost, unheard]})).await;
    let kept = Kept::default();
    let Submitted::Done(receipt) = session(&rig).await.submit(&upserts(2), &kept).await.unwrap() else {
        panic!()
    };
    assert_eq!(
        (letters(receipt.outcomes()).as_str(), rig.contacts().await.len()),
        ("uu", 0),
        "it is still at work"
    );
    let handle = kept.last().unwrap();
    assert!(handle.0.starts_with("f:"), "{handle:?}");
    let receipt = session(&rig).await.settle(&handle, &upserts(2)).await.unwrap();
    assert_eq!((letters(receipt.outcomes()).as_str(), rig.contacts().await.len()), ("aa", 2));
}
