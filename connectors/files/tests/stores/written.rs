//! A store that is written to: the same files as in a folder, whole or not at all, whatever breaks.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use futures_util::{FutureExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::multipart::{MultipartStore, PartId};
use object_store::{MultipartId, PutPayload, PutResult};
use serde_json::{Value as Json, json};

use super::*;
use crate::conformance::handles::{self, Observed};
use crate::contract::{
    Change, Destination, FieldValue, Handles, Outcome, RemoteHandle, RunContext, RunEnd, Submitted, Target,
    Value, Verb,
};
use crate::files::destination::FilesDestination;
use crate::files::tests::delivery::run;

const URL: &str = "s3://bucket/lake";

/// What breaks, and what was done.
#[derive(Default)]
struct Plan {
    /// Pieces that are refused.
    refused: AtomicUsize,
    /// Completions that are done, and whose answer is lost.
    lost: AtomicUsize,
    /// Nothing is completed.
    stuck: AtomicBool,
    begun: AtomicUsize,
    pieces: AtomicUsize,
    completed: AtomicUsize,
    aborted: AtomicUsize,
}

impl Plan {
    fn left(&self) -> usize {
        let ended = self.completed.load(Ordering::SeqCst) + self.aborted.load(Ordering::SeqCst);
        self.begun.load(Ordering::SeqCst) - ended
    }
}

/// Whether one is left of a number of accidents, which is one less then.
fn strikes(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

fn broken(what: &'static str) -> object_store::Error {
    object_store::Error::Generic { store: "memory", source: what.into() }
}

/// As a vendor says that it does not know an upload.
fn gone(path: &Key, error: object_store::Error) -> object_store::Error {
    object_store::Error::NotFound { path: path.to_string(), source: Box::new(error) }
}

struct Breaks {
    inner: Arc<InMemory>,
    plan: Arc<Plan>,
}

#[async_trait]
impl MultipartStore for Breaks {
    async fn create_multipart(&self, path: &Key) -> object_store::Result<MultipartId> {
        self.plan.begun.fetch_add(1, Ordering::SeqCst);
        self.inner.create_multipart(path).await
    }

    async fn put_part(
        &self,
        path: &Key,
        id: &MultipartId,
        part_idx: usize,
        data: PutPayload,
    ) -> object_store::Result<PartId> {
        if strikes(&self.plan.refused) {
            return Err(broken("a piece is refused"));
        }
        self.plan.pieces.fetch_add(1, Ordering::SeqCst);
        self.inner.put_part(path, id, part_idx, data).await
    }

    async fn complete_multipart(
        &self,
        path: &Key,
        id: &MultipartId,
        parts: Vec<PartId>,
    ) -> object_store::Result<PutResult> {
        if self.plan.stuck.load(Ordering::SeqCst) {
            return Err(broken("nothing is completed"));
        }
        let done = self.inner.complete_multipart(path, id, parts).await.map_err(|error| gone(path, error))?;
        self.plan.completed.fetch_add(1, Ordering::SeqCst);
        if strikes(&self.plan.lost) { Err(broken("the answer is lost")) } else { Ok(done) }
    }

    async fn abort_multipart(&self, path: &Key, id: &MultipartId) -> object_store::Result<()> {
        self.inner.abort_multipart(path, id).await.map_err(|error| gone(path, error))?;
        self.plan.aborted.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// A destination over a memory that breaks by a plan.
struct Bench {
    inner: Arc<InMemory>,
    plan: Arc<Plan>,
    destination: FilesDestination,
}

impl Bench {
    fn new(plan: Plan) -> Self {
        let (inner, plan) = (Arc::new(InMemory::new()), Arc::new(plan));
        let uploads = Arc::new(Breaks { inner: inner.clone(), plan: plan.clone() });
        let store = Store::written(URL, inner.clone(), uploads);
        let destination = FilesDestination::new(Root::Store(Arc::new(store)));
        Bench { inner, plan, destination }
    }

    fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        objects(&self.inner)
    }

    /// As a later run that finds this in the ledger.
    fn settle(&self, run_id: &str, handle: &str, target: &Target) -> Result<Vec<Outcome>, ConnectorError> {
        let bare: Vec<Change> =
            rows(2, 10).into_iter().map(|row| Change { fields: Vec::new(), ..row }).collect();
        run(async {
            let context = RunContext::alone(run_id, "people");
            let session = self.destination.open(target, context).await?;
            let receipt = session.settle(&RemoteHandle(handle.to_owned()), &bare).await?;
            session.finish(RunEnd::Complete).await?;
            Ok(receipt.into_outcomes())
        })
    }
}

/// Every object with its content, by its name below the prefix.
fn objects(inner: &InMemory) -> BTreeMap<String, Vec<u8>> {
    let found = async {
        let keys: Vec<Key> = inner.list(None).map_ok(|object| object.location).try_collect().await.unwrap();
        let mut objects = BTreeMap::new();
        for key in keys {
            let content = inner.get(&key).await.unwrap().bytes().await.unwrap();
            objects.insert(key.as_ref().strip_prefix("lake/").unwrap().to_owned(), content.to_vec());
        }
        objects
    };
    found.now_or_never().expect("a memory answers at once")
}

/// The ledger; full before this store, where one is named.
#[derive(Default)]
pub(in crate::files) struct Ledger {
    kept: Mutex<Vec<String>>,
    full_at: Option<usize>,
}

#[async_trait]
impl Handles for Ledger {
    async fn store(&self, handle: &RemoteHandle) -> Result<(), ConnectorError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if self.full_at == Some(kept.len()) {
            return Err(ConnectorError::new(Kind::Internal, "the disk is full"));
        }
        kept.push(handle.0.clone());
        Ok(())
    }
}

impl Ledger {
    pub(in crate::files) fn last(&self) -> String {
        self.kept.lock().unwrap().last().unwrap().clone()
    }
}

pub(in crate::files) fn target(options: Json) -> Target {
    Target {
        object: "people".into(),
        match_on: vec!["id".into()],
        fields: vec!["id".into(), "name".into()],
        options: options.as_object().unwrap().clone(),
        ..Target::default()
    }
}

/// So many rows, with names of so many letters.
pub(in crate::files) fn rows(number: i64, letters: usize) -> Vec<Change> {
    let row = |id: i64| {
        let field = |name: &str, value| FieldValue { name: name.into(), value };
        let letter = char::from(b'a' + (id % 26) as u8);
        Change {
            verb: Verb::Upsert,
            destination_key: vec![field("id", Value::Integer(id))],
            remote_id: None,
            fields: vec![
                field("id", Value::Integer(id)),
                field("name", Value::Text(letter.to_string().repeat(letters))),
            ],
        }
    };
    (0..number).map(row).collect()
}

/// One batch of the run `20260727T064501Z-aa`, and the end of it.
pub(in crate::files) fn submit(
    destination: &dyn Destination,
    target: &Target,
    changes: &Vec<Change>,
    ledger: &Ledger,
) -> Result<(), ConnectorError> {
    run(async {
        let context = RunContext::alone("20260727T064501Z-aa", "people");
        let session = destination.open(target, context).await?;
        let submitted = session.submit(changes, ledger).await?;
        let Submitted::Done(receipt) = submitted else { panic!("not done") };
        assert!(receipt.outcomes().iter().all(|outcome| matches!(outcome, Outcome::Applied { .. })));
        session.finish(RunEnd::Complete).await
    })
}

pub(in crate::files) fn below(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = Vec::new();
    files_below(folder, &mut files);
    let name = |file: &PathBuf| file.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
    files.iter().map(|file| (name(file), std::fs::read(file).unwrap())).collect()
}

/// With folders in all names.
fn layered() -> Json {
    json!({"max_rows": 1, "name": "{{ sync }}/{{ date }}/part-{{ part }}.csv", "manifest": "{{ sync }}/{{ run }}.json",
        "done": "{{ sync }}/done"})
}

fn is_applied(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Applied { .. })
}

#[test]
fn a_store_behaves_as_every_destination_with_handles() {
    let inner = Arc::new(InMemory::new());
    let destination = FilesDestination::new(Root::Store(Arc::new(Store::over(URL, inner.clone()))));
    let arrived = || {
        let seen = objects(&inner).into_iter().filter(|(name, _)| !name.starts_with('.'));
        seen.map(|(_, content)| String::from_utf8(content).unwrap().lines().count()).sum()
    };
    let changes = || rows(4, 3);
    let subject =
        Observed { destination: &destination, target: target(json!({})), changes, arrived: &arrived };
    run(handles::run(&subject));
    assert_eq!(objects(&inner).into_keys().collect::<Vec<_>>(), ["people-run-2-0001.jsonl"]);
    assert_eq!(destination.traffic().writes, 1);
}

#[test]
fn a_store_gets_the_files_of_a_folder_with_their_folders() {
    let folder = tempfile::tempdir().unwrap();
    let local = FilesDestination::new(Root::Folder(folder.path().to_owned()));
    submit(&local, &target(layered()), &rows(40, 10), &Ledger::default()).unwrap();
    let bench = Bench::new(Plan::default());
    let ledger = Ledger::default();
    submit(&bench.destination, &target(layered()), &rows(40, 10), &ledger).unwrap();
    let files = below(folder.path());
    assert_eq!((files.len(), bench.objects()), (42, files.clone()));
    assert!(files.contains_key("people/2026-07-27/part-0040.csv") && files.contains_key("people/done"));
    assert_eq!(bench.plan.left(), 0);
    // The name, three groups of uploads, and the record.
    assert_eq!(ledger.kept.lock().unwrap().len(), 5);
    assert!(run(bench.destination.account()).is_ok());
}

#[test]
fn a_large_part_comes_in_pieces_and_is_the_same() {
    let (folder, changes) = (tempfile::tempdir().unwrap(), rows(200, 100_000));
    let options = target(json!({"name": "all-{{ part }}.csv"}));
    let local = FilesDestination::new(Root::Folder(folder.path().to_owned()));
    submit(&local, &options, &changes, &Ledger::default()).unwrap();
    let bench = Bench::new(Plan::default());
    submit(&bench.destination, &options, &changes, &Ledger::default()).unwrap();
    assert!(bench.objects() == below(folder.path()), "the files differ");
    assert_eq!(bench.plan.pieces.load(Ordering::SeqCst), 3);
}

#[test]
fn a_piece_that_is_refused_leaves_nothing() {
    let bench = Bench::new(Plan { refused: 1.into(), ..Plan::default() });
    let error = submit(&bench.destination, &target(layered()), &rows(2, 10), &Ledger::default()).unwrap_err();
    assert_eq!(
        (error.kind, error.code.as_deref()),
        (Kind::Unavailable, Some("FILE_STORE_FAILED")),
        "{error}"
    );
    assert!(error.message.contains("`s3://bucket/lake/people/2026-07-27/part-000"), "{error}");
    assert_eq!((bench.objects().len(), bench.plan.left()), (0, 0));
}

#[test]
fn a_lost_answer_is_looked_up() {
    let bench = Bench::new(Plan { lost: 2.into(), ..Plan::default() });
    submit(&bench.destination, &target(layered()), &rows(2, 10), &Ledger::default()).unwrap();
    assert_eq!((bench.objects().len(), bench.plan.left()), (4, 0));
    assert_eq!(bench.destination.traffic().writes, 2);
}

#[test]
fn uploads_that_a_crash_left_before_its_record_are_ended() {
    let bench = Bench::new(Plan::default());
    let ledger = Ledger { full_at: Some(2), ..Ledger::default() };
    let error = submit(&bench.destination, &target(layered()), &rows(2, 10), &ledger).unwrap_err();
    assert_eq!((error.kind, bench.plan.left(), bench.objects().len()), (Kind::Ambiguous, 2, 0), "{error}");
    for _ in 0..2 {
        let outcomes = bench.settle("20260728T000000Z-b", &ledger.last(), &target(layered())).unwrap();
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Deferred { .. })), "{outcomes:?}");
        assert_eq!(bench.plan.left(), 0);
    }
    assert!(bench.objects().keys().all(|name| !name.contains("part")), "{:?}", bench.objects().keys());
}

#[test]
fn uploads_that_a_crash_left_after_its_record_are_completed() {
    let bench = Bench::new(Plan { stuck: true.into(), ..Plan::default() });
    let (options, ledger) = (target(layered()), Ledger::default());
    let error = submit(&bench.destination, &options, &rows(2, 10), &ledger).unwrap_err();
    assert_eq!((error.kind, bench.plan.left()), (Kind::Ambiguous, 2), "{error}");
    bench.plan.stuck.store(false, Ordering::SeqCst);
    // What is completed once more stays as it is.
    for _ in 0..2 {
        let outcomes = bench.settle("20260728T000000Z-b", &ledger.last(), &options).unwrap();
        assert!(outcomes.iter().all(is_applied), "{outcomes:?}");
    }
    let objects = bench.objects();
    assert_eq!(bench.plan.left(), 0);
    for (number, id) in [("0001", 0), ("0002", 1)] {
        let name = format!("people/2026-07-27/part-{number}.csv");
        let letter = if id == 0 { "a" } else { "b" };
        assert_eq!(
            String::from_utf8(objects[&name].clone()).unwrap(),
            format!("_op,id,name\nupsert,{id},{}\n", letter.repeat(10))
        );
    }
    let told: Json = serde_json::from_slice(&objects["people/20260727T064501Z-aa.json"]).unwrap();
    assert_eq!((&told["complete"], told["parts"].as_array().unwrap().len()), (&json!(false), 2));
}

#[test]
fn a_part_that_is_nowhere_is_unknown_and_not_delivered() {
    let bench = Bench::new(Plan::default());
    let (options, ledger) = (target(layered()), Ledger::default());
    submit(&bench.destination, &options, &rows(2, 10), &ledger).unwrap();
    let key = |name: &str| Key::parse(format!("lake/{name}")).unwrap();
    let lost = "people/2026-07-27/part-0002.csv";
    for name in [lost, "people/20260727T064501Z-aa.json"] {
        bench.inner.delete(&key(name)).now_or_never().unwrap().unwrap();
    }
    let outcomes = bench.settle("20260728T000000Z-b", &ledger.last(), &options).unwrap();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Unknown { .. })), "{outcomes:?}");
    let objects = bench.objects();
    let told = String::from_utf8(objects["people/20260727T064501Z-aa.json"].clone()).unwrap();
    assert!(told.contains("part-0001.csv") && !told.contains("part-0002.csv"), "{told}");
    assert!(!objects.contains_key(lost) && !objects.keys().any(|name| name.starts_with('.')));
}

#[test]
fn what_is_there_is_never_written_over_in_a_store() {
    let bench = Bench::new(Plan { stuck: true.into(), ..Plan::default() });
    let (options, ledger) = (target(layered()), Ledger::default());
    let key = Key::parse("lake/people/2026-07-27/part-0002.csv").unwrap();
    let put = |text: &'static str| bench.inner.put(&key, text.into()).now_or_never().unwrap().unwrap();
    put("somebody's");
    let error = submit(&bench.destination, &options, &rows(2, 10), &Ledger::default()).unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Config, Some("FILE_EXISTS")), "{error}");
    assert_eq!((bench.objects().len(), bench.plan.left()), (1, 0));
    // Somebody takes the name while the parts wait.
    bench.inner.delete(&key).now_or_never().unwrap().unwrap();
    submit(&bench.destination, &options, &rows(2, 10), &ledger).unwrap_err();
    put("somebody's");
    bench.plan.stuck.store(false, Ordering::SeqCst);
    let error = bench.settle("20260728T000000Z-b", &ledger.last(), &options).unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Ambiguous, Some("FILE_EXISTS")), "{error}");
    assert_eq!(bench.objects()["people/2026-07-27/part-0002.csv"], b"somebody's");
}

#[test]
fn a_marker_takes_no_part_s_place_in_a_store() {
    let bench = Bench::new(Plan::default());
    let options =
        json!({"name": "{{ partition }}-{{ part }}.csv", "partition_by": "name", "done": "aaa-0001.csv"});
    let error = submit(&bench.destination, &target(options), &rows(1, 3), &Ledger::default()).unwrap_err();
    assert_eq!(error.code.as_deref(), Some("FILE_EXISTS"), "{error}");
    assert!(!bench.objects()["aaa-0001.csv"].is_empty());
}
