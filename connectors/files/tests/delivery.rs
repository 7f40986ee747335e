//! The destination: whole files or none, and a true word after a crash.

use std::collections::BTreeMap;

use super::*;
use crate::conformance::handles::{self, Observed};
use crate::contract::{Change, Destination, FieldValue, RunContext, Submitted, Target, Value, Verb};

pub(super) fn destination(folder: &Path) -> Arc<dyn Destination> {
    (CONNECTOR.destination.unwrap())(&settings(serde_json::json!({"url": folder}))).unwrap()
}

fn target(object: &str) -> Target {
    Target {
        object: object.into(),
        match_on: vec!["id".into()],
        fields: vec!["id".into()],
        types: Default::default(),
        missing: Vec::new(),
        associations: Vec::new(),
        options: Default::default(),
    }
}

fn changes() -> Vec<Change> {
    let field = |n: i64| FieldValue { name: "id".into(), value: Value::Integer(n) };
    let change = |(n, verb): (i64, Verb)| Change {
        verb,
        destination_key: vec![field(n)],
        remote_id: None,
        fields: if verb == Verb::Delete { Vec::new() } else { vec![field(n)] },
    };
    [(1, Verb::Upsert), (2, Verb::Create), (3, Verb::Update), (4, Verb::Delete)].map(change).to_vec()
}

/// Every file of the folder with its content.
pub(super) fn content(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|e| (e.file_name().into_string().unwrap(), std::fs::read_to_string(e.path()).unwrap()))
        .collect()
}

/// A runtime whose threads may block, as the engine's may.
pub(in crate::files) fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

struct Keeps;

#[async_trait]
impl crate::contract::Handles for Keeps {
    async fn store(&self, _: &crate::contract::RemoteHandle) -> Result<(), ConnectorError> {
        Ok(())
    }
}

#[test]
fn it_behaves_as_every_destination_with_handles() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("not/there/yet");
    let visible = |name: &str| !name.starts_with('.');
    let arrived =
        || content(&out).iter().filter(|(n, _)| visible(n)).map(|(_, text)| text.lines().count()).sum();
    let destination = destination(&out);
    let subject =
        Observed { destination: &*destination, target: target("people"), changes, arrived: &arrived };
    run(handles::run(&subject));
    assert_eq!(
        content(&out),
        BTreeMap::from([(
            "people-run-2-0001.jsonl".to_owned(),
            "{\"_op\":\"upsert\",\"id\":1}\n{\"_op\":\"create\",\"id\":2}\n\
             {\"_op\":\"update\",\"id\":3}\n{\"_op\":\"delete\",\"id\":4}\n"
                .to_owned()
        )])
    );
    assert_eq!((destination.traffic().writes, destination.traffic().bytes), (1, 96));
}

#[test]
fn looking_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let destination = destination(&out);
    run(async {
        destination.account().await.unwrap();
        destination.catalog(&target("people")).await.unwrap();
    });
    assert!(!out.exists());
    std::fs::write(&out, "a file").unwrap();
    let error = run(destination.account()).unwrap_err();
    assert!(error.message.contains("is not a folder"), "{error}");
}

#[test]
fn what_a_crash_left_behind_is_removed_when_it_is_settled() {
    let folder = tempfile::tempdir().unwrap();
    let hidden = folder.path().join(".outflow-people@run-1-0001-1.part");
    std::fs::write(&hidden, "{\"_op\":\"ups").unwrap();
    let handle = r#"{"run_id":"run-1","name":".outflow-people@run-1-0001"}"#;
    let destination = destination(folder.path());
    let receipt = run(async {
        let context = RunContext::alone("run-2", "people");
        let session = destination.open(&target("people"), context).await.unwrap();
        session.settle(&crate::contract::RemoteHandle(handle.into()), &changes()).await.unwrap()
    });
    assert!(matches!(receipt.outcomes()[0], crate::contract::Outcome::Deferred { .. }));
    assert!(!hidden.exists());
}

#[cfg(unix)]
#[test]
fn a_batch_that_cannot_be_written_leaves_nothing() {
    struct Broken;
    impl crate::contract::BatchSource for Broken {
        fn len(&self) -> usize {
            4
        }
        fn each_in(
            &self,
            _: std::ops::Range<usize>,
            look: crate::contract::Look<'_>,
        ) -> Result<(), ConnectorError> {
            changes()[..2].to_vec().each(look)?;
            Err(ConnectorError::new(Kind::Internal, "the spool is gone"))
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let destination = destination(folder.path());
    let context = RunContext::alone("r", "people");
    let error = run(async {
        let session = destination.open(&target("people"), context).await.unwrap();
        session.submit(&Broken, &Keeps).await.unwrap_err()
    });
    assert_eq!(error.message, "the spool is gone");
    assert_eq!(content(folder.path()), BTreeMap::new());
}

#[test]
fn runs_and_batches_never_overwrite_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let destination = destination(folder.path());
    run(async {
        for run_id in ["a", "b"] {
            let context = RunContext::alone(run_id, "people");
            let session = destination.open(&target("people.jsonl"), context).await.unwrap();
            for _ in 0..2 {
                let submitted = session.submit(&changes(), &Keeps).await.unwrap();
                assert!(matches!(submitted, Submitted::Done(_)));
            }
        }
        // A run id that comes again is a defect, and no reason to lose a file.
        let context = RunContext::alone("a", "people");
        let session = destination.open(&target("people"), context).await.unwrap();
        assert!(session.submit(&changes(), &Keeps).await.is_err());
    });
    let names: Vec<String> = content(folder.path()).into_keys().collect();
    assert_eq!(
        names,
        ["people-a-0001.jsonl", "people-a-0002.jsonl", "people-b-0001.jsonl", "people-b-0002.jsonl"]
    );
}

/// The last handle.
#[derive(Default)]
struct Last(std::sync::Mutex<String>);

#[async_trait]
impl crate::contract::Handles for Last {
    async fn store(&self, handle: &crate::contract::RemoteHandle) -> Result<(), ConnectorError> {
        *self.0.lock().unwrap() = handle.0.clone();
        Ok(())
    }
}

#[test]
fn names_may_have_folders_which_come_with_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let destination = destination(folder.path());
    let options = serde_json::json!({"name": "{{ date }}/a/{{ part }}.jsonl", "done": "{{ date }}/done"});
    let target = Target { options: options.as_object().unwrap().clone(), ..target("people") };
    let last = Last::default();
    run(async {
        let context = RunContext::alone("20260727T064501Z-aa", "people");
        let session = destination.open(&target, context).await.unwrap();
        session.submit(&changes(), &last).await.unwrap();
        session.finish(crate::contract::RunEnd::Complete).await.unwrap();
    });
    let date = folder.path().join("2026-07-27");
    let part = date.join("a/0001.jsonl");
    assert_eq!(content(&part.with_file_name("")).len(), 1);
    assert!(date.join("done").is_file());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left at the top");
    // As after a crash before the rename, and somebody who tidies up.
    let handle = last.0.into_inner().unwrap();
    let staged: serde_json::Value = serde_json::from_str(&handle).unwrap();
    let hidden = folder.path().join(staged["staged"]["parts"][0]["staged"].as_str().unwrap());
    std::fs::rename(&part, &hidden).unwrap();
    std::fs::remove_dir_all(&date).unwrap();
    run(async {
        let session = destination.open(&target, RunContext::alone("b", "people")).await.unwrap();
        session.settle(&crate::contract::RemoteHandle(handle.clone()), &changes()).await.unwrap();
    });
    assert!(part.is_file() && !hidden.exists());
    // A file in the place of a folder is told before anything is published.
    std::fs::remove_dir_all(&date).unwrap();
    std::fs::write(&date, "a file").unwrap();
    let error = run(async {
        let context = RunContext::alone("20260727T064501Z-aa", "people");
        let session = destination.open(&target, context).await.unwrap();
        session.submit(&changes(), &Keeps).await.unwrap_err()
    });
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Unavailable, Some("FILE_UNREADABLE")), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left at the top");
}

#[test]
fn an_object_is_a_plain_name() {
    let destination = destination(Path::new("/nowhere"));
    for object in ["", ".", "..", "../x", "a/b", "/etc/x", ".hidden", "a\\b", "a\nb", ".jsonl"] {
        let error = destination.capabilities(&target(object)).unwrap_err();
        assert_eq!(error.code.as_deref(), Some("FILE_OBJECT"), "{object}");
    }
    assert!(destination.capabilities(&target("people 2.1")).is_ok());
    let clash = Target { fields: vec!["_op".into()], ..target("people.csv") };
    assert!(destination.capabilities(&clash).unwrap_err().message.contains("`_op`"));
}
