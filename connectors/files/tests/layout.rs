//! What files look like, and where they are cut.

use std::collections::BTreeMap;
use std::io::Read;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::delivery::{content, destination, run};
use super::*;
use crate::contract::{
    Change, Destination, FieldValue, Handles, Outcome, RemoteHandle, RunContext, RunEnd, Submitted, Target,
    Value, Verb,
};

pub(super) fn target(object: &str, options: Json) -> Target {
    Target {
        object: object.into(),
        match_on: vec!["id".into()],
        fields: vec!["id".into(), "name".into(), "hour".into()],
        options: options.as_object().unwrap().clone(),
        ..Target::default()
    }
}

pub(super) fn change(id: i64, name: Value, hour: Value) -> Change {
    let field = |name: &str, value| FieldValue { name: name.into(), value };
    Change {
        verb: Verb::Upsert,
        destination_key: vec![field("id", Value::Integer(id))],
        remote_id: None,
        // In the order of a mapping's fields, which is not that of its file.
        fields: vec![field("hour", hour), field("id", Value::Integer(id)), field("name", name)],
    }
}

pub(super) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

struct Keeps(std::sync::Mutex<Vec<String>>);

#[async_trait]
impl Handles for Keeps {
    async fn store(&self, handle: &RemoteHandle) -> Result<(), ConnectorError> {
        self.0.lock().unwrap().push(handle.0.clone());
        Ok(())
    }
}

fn keeps() -> Keeps {
    Keeps(std::sync::Mutex::default())
}

/// The outcomes of one batch of the run `20260727T064501Z-aa`.
pub(super) async fn submit(
    destination: &dyn Destination,
    target: &Target,
    changes: &Vec<Change>,
) -> Result<Vec<Outcome>, ConnectorError> {
    let context = RunContext::alone("20260727T064501Z-aa", "people");
    let session = destination.open(target, context).await?;
    let Submitted::Done(receipt) = session.submit(changes, &keeps()).await? else { panic!("not done") };
    session.finish(RunEnd::Complete).await?;
    Ok(receipt.into_outcomes())
}

pub(super) fn codes(outcomes: &[Outcome]) -> Vec<&str> {
    let code = |outcome| match outcome {
        &Outcome::Applied { .. } => "",
        Outcome::Rejected { code, .. } => code.as_str(),
        other => panic!("{other:?}"),
    };
    outcomes.iter().map(code).collect()
}

/// What a batch comes to in a folder of its own.
pub(super) fn written(options: Json, changes: &Vec<Change>) -> (Vec<Outcome>, BTreeMap<String, Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let destination = destination(folder.path());
    let outcomes = run(submit(&*destination, &target("people", options), changes)).unwrap();
    let entries = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap());
    let files = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    (outcomes, files)
}

fn one(options: Json, changes: &Vec<Change>) -> String {
    let (outcomes, files) = written(options, changes);
    assert!(codes(&outcomes).iter().all(|code| code.is_empty()), "{outcomes:?}");
    let [(_, bytes)] = <[_; 1]>::try_from(files.into_iter().collect::<Vec<_>>()).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_csv_file_is_as_it_was_asked_for() {
    let rows = vec![
        change(1, text("a,b \"c\"\nd"), Value::Null),
        change(2, text(""), Value::Integer(7)),
        change(3, text(" x"), Value::List(vec![text("p"), Value::Boolean(true)])),
    ];
    assert_eq!(
        one(json!({"format": "csv"}), &rows),
        "_op,id,name,hour\nupsert,1,\"a,b \"\"c\"\"\nd\",\nupsert,2,\"\",7\nupsert,3,\" x\",\"[\"\"p\"\",true]\"\n"
    );
    let options = json!({"format": "csv", "operation": false, "delimiter": ";", "line_end": "crlf", "quoting": "all",
        "null_text": "\\N", "bom": true});
    assert_eq!(
        one(options, &rows),
        "\u{feff}\"id\";\"name\";\"hour\"\r\n\"1\";\"a,b \"\"c\"\"\nd\";\\N\r\n\"2\";\"\";\"7\"\r\n\"3\";\" x\";\"[\"\"p\"\",true]\"\r\n"
    );
    assert_eq!(
        one(json!({"format": "csv", "quoting": "all"}), &rows[1..2].to_vec()),
        "\"_op\",\"id\",\"name\",\"hour\"\n\"upsert\",\"2\",\"\",\"7\"\n"
    );
    assert_eq!(
        one(json!({"format": "tsv", "header": false, "operation": "what"}), &rows[1..2].to_vec()),
        "upsert\t2\t\"\"\t7\n"
    );
}

#[test]
fn a_row_that_the_file_cannot_say_costs_itself_alone() {
    let rows = vec![
        change(1, text("日本"), Value::Null),
        change(2, text("a😀"), Value::Null),
        change(3, text("NULL"), Value::Null),
        change(4, text("a,b"), Value::Null),
    ];
    let (outcomes, files) = written(json!({"format": "csv", "encoding": "Shift_JIS"}), &rows);
    assert_eq!(codes(&outcomes), ["", "FILE_ENCODING", "", ""]);
    let Outcome::Rejected { field, message, .. } = &outcomes[1] else { unreachable!() };
    assert_eq!(field.as_deref(), Some("name"));
    assert!(message.contains("U+1F600") && message.contains("Shift_JIS"), "{message}");
    let bytes = files.into_values().next().unwrap();
    assert!(bytes.windows(4).any(|bytes| bytes == b"\x93\xfa\x96\x7b"));
    let (outcomes, _) = written(json!({"format": "csv", "null_text": "NULL"}), &rows);
    assert_eq!(codes(&outcomes), ["", "", "FILE_NULL_TEXT", ""]);
    let (outcomes, _) = written(json!({"format": "csv", "quoting": "never"}), &rows);
    assert_eq!(codes(&outcomes), ["", "", "", "FILE_UNQUOTED"]);
    let large = vec![change(1, text("short"), Value::Null), change(2, text(&"x".repeat(200)), Value::Null)];
    for compression in ["none", "gzip", "zstd"] {
        let options = json!({"format": "csv", "max_bytes": 200, "compression": compression});
        let (outcomes, files) = written(options, &large);
        assert_eq!((codes(&outcomes), files.len()), (vec!["", "FILE_RECORD_TOO_LARGE"], 1));
    }
    // Nothing but refused rows makes no file.
    let (_, files) = written(json!({"format": "csv", "max_bytes": 100}), &large[1..].to_vec());
    assert_eq!(files, BTreeMap::new());
}

#[test]
fn each_value_of_the_partition_has_files_of_its_own() {
    let rows: Vec<Change> = (0..200)
        .map(|id| change(id, Value::Null, if id % 5 == 4 { Value::Null } else { Value::Integer(id % 5) }))
        .collect();
    let options = json!({"format": "csv", "partition_by": "hour", "max_rows": 30, "header": false,
        "name": "{{ sync }}_{{ date }}_{{ partition }}_{{ part }}.csv"});
    let (_, files) = written(options, &rows);
    assert_eq!(files.len(), 10);
    for (name, bytes) in &files {
        let partition =
            name.strip_prefix("people_2026-07-27_").and_then(|rest| rest.split('_').next()).unwrap();
        let lines: Vec<&str> = std::str::from_utf8(bytes).unwrap().lines().collect();
        assert!(lines.len() == 30 || lines.len() == 10, "{name}: {}", lines.len());
        let cell = if partition == "null" { "" } else { partition };
        assert!(lines.iter().all(|line| line.ends_with(&format!(",{cell}"))), "{name}: {lines:?}");
    }
}

#[test]
fn many_values_have_one_file_each_and_one_that_is_no_name_costs_its_row() {
    let rows: Vec<Change> =
        (0..300).map(|id| change(id, Value::Null, Value::Integer(id * 7 % 100))).collect();
    let (outcomes, files) = written(json!({"format": "csv", "partition_by": "hour"}), &rows);
    assert!(codes(&outcomes).iter().all(|code| code.is_empty()));
    assert_eq!(files.len(), 100);
    let rows = vec![change(1, Value::Null, text(&"日".repeat(40))), change(2, Value::Null, text("a"))];
    let (outcomes, files) = written(json!({"format": "csv", "partition_by": "hour"}), &rows);
    assert_eq!((codes(&outcomes), files.len()), (vec!["FILE_OBJECT", ""], 1));
}

#[test]
fn the_chunks_of_a_backfill_have_names_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let destination = destination(folder.path());
    let target = target(
        "people",
        json!({"name": "{{ date }}_{{ part }}.csv", "manifest": "{{ date }}_{{ time }}.json"}),
    );
    let rows = vec![change(1, text("a"), Value::Null)];
    run(async {
        for chunk in ["1", "2"] {
            let context = RunContext::alone(format!("20260727T064501Z-aa-{chunk}"), "people");
            let session = destination.open(&target, context).await.unwrap();
            session.submit(&rows, &keeps()).await.unwrap();
            session.finish(RunEnd::Stopped).await.unwrap();
        }
    });
    let names: Vec<String> = content(folder.path()).into_keys().collect();
    let manifests = ["2026-07-27_064501-1.json", "2026-07-27_064501-2.json"];
    assert_eq!(
        names,
        [&manifests[..], &["2026-07-27_1-0001.csv", "2026-07-27_2-0001.csv"]].concat().as_slice()
    );
}

#[test]
fn options_that_cannot_be_meant_are_refused_with_a_hint() {
    let destination = destination(Path::new("/nowhere"));
    for (object, options, word) in [
        ("people.csv", json!({"format": "jsonl"}), "`destination.format`"),
        ("people", json!({"name": "{{ part }}.csv.gz", "compression": "zstd"}), "`destination.compression`"),
        ("people", json!({"format": "xml"}), "`destination.format: xml`"),
        ("people", json!({"name": "{{ date }}.csv"}), "two parts"),
        ("people", json!({"name": "{{ day }}{{ part }}"}), "{{ day }}"),
        ("people", json!({"partition_by": "nothing"}), "no field"),
        ("people", json!({"operation": "name"}), "`name`"),
        ("people", json!({"max_bytes": "much"}), "a size"),
        ("people", json!({"max_rows": 0}), "above 0"),
        ("people", json!({"delimiter": ";"}), "is for CSV"),
        ("people", json!({"format": "csv", "delimiter": "ab"}), "`destination.delimiter`"),
        ("people", json!({"format": "csv", "delimiter": "e"}), "`destination.delimiter`"),
        ("people", json!({"format": "csv", "null_text": "n,a"}), "`destination.null_text`"),
        ("people", json!({"format": "csv", "encoding": "utf-16"}), "not written"),
        ("people", json!({"format": "csv", "encoding": "big5", "bom": true}), "Big5"),
        ("people", json!({"manifest": 7}), "`destination.manifest`"),
        ("people", json!({"manifest": "{{ sync }}_{{ date }}.json"}), "two runs one name"),
        ("people", json!({"timezone": "Mars/Olympus"}), "Mars/Olympus"),
        ("people", json!({"extract": "all"}), "`full`"),
    ] {
        let error = destination.capabilities(&target(object, options.clone())).unwrap_err();
        let said = format!("{} {}", error.message, error.hint.clone().unwrap_or_default());
        assert!(error.hint.is_some() && said.contains(word), "{options}: {said}");
    }
    let full = destination.capabilities(&target("people.csv", json!({"extract": "full"}))).unwrap();
    assert!(full.all_rows && full.verbs == [Verb::Upsert]);
    let large = destination.capabilities(&target("people.csv", json!({"max_rows": 400_000}))).unwrap();
    assert_eq!(large.batch_rows, 400_000);
    let usual = destination.capabilities(&target("people.csv", json!({}))).unwrap();
    assert_eq!((usual.batch_rows, usual.batch_bytes), (100_000, Some(64 << 20)));
    let filled = destination.capabilities(&target("people.csv", json!({"max_bytes": "500MB"}))).unwrap();
    assert_eq!((filled.batch_rows, filled.batch_bytes), (1_000_000, Some(500_000_000)));
}

#[test]
fn a_manifest_tells_of_all_files_and_the_marker_comes_last() {
    let folder = tempfile::tempdir().unwrap();
    let destination = destination(folder.path());
    let options = json!({"format": "csv", "max_rows": 2, "manifest": true, "done": "{{ sync }}.done"});
    let target = target("people", options);
    let rows: Vec<Change> = (0..5).map(|id| change(id, text("n"), Value::Null)).collect();
    run(async {
        // A run that ends before its manifest; another sync's batches are nobody's business here.
        let context = RunContext::alone("20260726T064501Z-zz", "people");
        let crashed = destination.open(&target, context).await.unwrap();
        crashed.submit(&rows[..3].to_vec(), &keeps()).await.unwrap();
        drop(crashed);
        std::fs::write(folder.path().join(".outflow-people2@r-0001-parts.json"), "{}").unwrap();
        submit(&*destination, &target, &rows).await.unwrap();
    });
    let files = content(folder.path());
    let hidden: Vec<&String> = files.keys().filter(|name| name.starts_with('.')).collect();
    assert_eq!(hidden, [".outflow-people2@r-0001-parts.json"]);
    assert_eq!(files["people.done"], "");
    let manifest =
        |run: &str| serde_json::from_str::<Json>(&files[&format!("people-{run}.manifest.json")]).unwrap();
    let (crashed, whole) = (manifest("20260726T064501Z-zz"), manifest("20260727T064501Z-aa"));
    assert_eq!((&crashed["complete"], &crashed["rows"]), (&json!(false), &json!(3)));
    assert_eq!(
        (&whole["complete"], &whole["rows"], &whole["sync"]),
        (&json!(true), &json!(5), &json!("people"))
    );
    let parts = whole["parts"].as_array().unwrap();
    assert_eq!(parts.len(), 3);
    for part in parts {
        let bytes = files[part["name"].as_str().unwrap()].as_bytes();
        use sha2::{Digest, Sha256};
        let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((&part["bytes"], &part["sha256"]), (&json!(bytes.len()), &json!(digest)));
    }
    // A run that was stopped has no marker.
    std::fs::remove_file(folder.path().join("people.done")).unwrap();
    run(async {
        let session =
            destination.open(&target, RunContext::alone("20260728T000000Z-b", "people")).await.unwrap();
        session.finish(RunEnd::Stopped).await.unwrap();
    });
    let files = content(folder.path());
    assert!(!files.contains_key("people.done"));
    assert!(files["people-20260728T000000Z-b.manifest.json"].contains("\"complete\": false"));
}

#[test]
fn what_was_staged_whole_is_published_by_whoever_comes_next() {
    let folder = tempfile::tempdir().unwrap();
    let destination = destination(folder.path());
    let target = target("people", json!({"format": "csv", "max_rows": 1, "max_bytes": 100}));
    let rows: Vec<Change> =
        (0..3).map(|id| change(id, text(&"n".repeat(if id == 1 { 200 } else { 1 })), Value::Null)).collect();
    let (kept, stored) = run(async {
        let session = destination.open(&target, RunContext::alone("r1", "people")).await.unwrap();
        let handles = keeps();
        session.submit(&rows, &handles).await.unwrap();
        let stored = handles.0.into_inner().unwrap();
        (stored.last().unwrap().clone(), stored.len())
    });
    assert_eq!(stored, 2);
    let bare: Vec<Change> = rows.iter().map(|row| Change { fields: Vec::new(), ..row.clone() }).collect();
    let settle = || {
        run(async {
            let session = destination.open(&target, RunContext::alone("r2", "people")).await.unwrap();
            session.settle(&RemoteHandle(kept.clone()), &bare).await.unwrap().into_outcomes()
        })
    };
    // As after a crash between the two renames.
    let part = folder.path().join("people-r1-0002.csv");
    let staged: Json = serde_json::from_str(&kept).unwrap();
    let hidden = staged["staged"]["parts"][1]["staged"].as_str().unwrap();
    std::fs::rename(&part, folder.path().join(hidden)).unwrap();
    assert_eq!(codes(&settle()), ["", "FILE_RECORD_TOO_LARGE", ""]);
    assert!(part.exists() && !folder.path().join(hidden).exists());
    // What has a name can be taken away.
    std::fs::remove_file(&part).unwrap();
    assert_eq!(codes(&settle()), ["", "FILE_RECORD_TOO_LARGE", ""]);
    // A name that somebody else took meanwhile is not written over.
    std::fs::write(&part, "somebody's").unwrap();
    std::fs::write(folder.path().join(hidden), "ours").unwrap();
    let session = run(destination.open(&target, RunContext::alone("r3", "people"))).unwrap();
    let error = run(session.settle(&RemoteHandle(kept.clone()), &bare)).unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Ambiguous, Some("FILE_EXISTS")));
    assert_eq!(std::fs::read_to_string(&part).unwrap(), "somebody's");
}

#[test]
fn what_is_there_is_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let destination = destination(folder.path());
    let target = target("people", json!({"name": "people_{{ part }}.csv", "max_rows": 1}));
    std::fs::write(folder.path().join("people_0002.csv"), "somebody's").unwrap();
    let rows = vec![change(1, text("a"), Value::Null), change(2, text("b"), Value::Null)];
    let error = run(submit(&*destination, &target, &rows)).unwrap_err();
    assert_eq!(error.code.as_deref(), Some("FILE_EXISTS"));
    assert_eq!(
        content(folder.path()),
        BTreeMap::from([("people_0002.csv".to_owned(), "somebody's".to_owned())])
    );
}

pub(super) fn unpacked(name: &str, bytes: &[u8]) -> String {
    let mut text = String::new();
    match name.rsplit_once('.').unwrap().1 {
        "gz" => flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).map(|_| ()).unwrap(),
        "zst" => text = String::from_utf8(zstd::decode_all(bytes).unwrap()).unwrap(),
        _ => text = String::from_utf8(bytes.to_vec()).unwrap(),
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_file_is_above_its_limit_and_together_they_are_the_rows(
        names in prop::collection::vec("[a-c\"\n,é]{0,60}|[ -~]{0,300}", 1..120),
        limit in 400_usize..6_000,
        rows in 1_u64..70,
        compression in prop::sample::select(vec!["none", "gzip", "zstd"]),
        format in prop::sample::select(vec!["csv", "jsonl"]),
    ) {
        let changes: Vec<Change> =
            names.iter().enumerate().map(|(id, name)| change(id as i64, text(name), Value::Null)).collect();
        let options = json!({"format": format, "compression": compression, "max_bytes": limit, "max_rows": rows});
        let (outcomes, files) = written(options, &changes);
        let mut found = BTreeMap::new();
        for (name, bytes) in &files {
            prop_assert!(bytes.len() <= limit, "{name}: {} > {limit}", bytes.len());
            let text = unpacked(name, bytes);
            let before = found.len();
            if format == "csv" {
                for row in csv::Reader::from_reader(text.as_bytes()).records().map(Result::unwrap) {
                    found.insert(row[1].parse::<usize>().unwrap(), row[2].to_owned());
                }
            } else {
                for line in text.lines() {
                    let row: Json = serde_json::from_str(line).unwrap();
                    found.insert(row["id"].as_u64().unwrap() as usize, row["name"].as_str().unwrap().to_owned());
                }
            }
            prop_assert!(found.len() - before <= rows as usize && found.len() > before);
        }
        for (id, (name, outcome)) in names.iter().zip(&outcomes).enumerate() {
            match outcome {
                Outcome::Applied { .. } => prop_assert_eq!(found.get(&id), Some(name)),
                _ => prop_assert!(!found.contains_key(&id) && name.len() * 2 + 150 > limit, "{name}: {outcome:?}"),
            }
        }
    }
}
