//! What files cannot say, and names that would cost others their content.

use serde_json::{Value as Json, json};

use super::delivery::{content, destination, run};
use super::layout::{change, codes, submit, target, text, written};
use super::*;
use crate::contract::{Outcome, Target, Value};

#[test]
fn a_text_that_would_be_read_as_another_costs_its_row() {
    let rows = vec![change(1, text("\u{a5}"), Value::Null), change(2, text("日本"), Value::Null)];
    for (format, encoding) in [("jsonl", "shift_jis"), ("csv", "shift_jis"), ("csv", "euc-jp")] {
        let (outcomes, files) = written(json!({"format": format, "encoding": encoding}), &rows);
        assert_eq!(codes(&outcomes), ["FILE_ENCODING", ""], "{format}, {encoding}");
        let Outcome::Rejected { field, message, .. } = &outcomes[0] else { unreachable!() };
        assert_eq!(field.as_deref(), Some("name"));
        assert!(message.contains("U+00A5"), "{message}");
        assert!(files.values().all(|bytes| !bytes.contains(&b'\\')), "{format}, {encoding}");
    }
}

#[test]
fn a_line_ends_in_ascii() {
    let rows = vec![change(1, Value::Null, text("\u{a5}"))];
    let (_, files) = written(json!({"format": "csv", "encoding": "iso-2022-jp"}), &rows);
    let bytes = files.values().next().unwrap();
    assert!(bytes.ends_with(b"\x1b(J\\\x1b(B\n"), "{bytes:?}");
}

fn refused(object: &str, options: Json) -> ConnectorError {
    destination(Path::new("/nowhere")).capabilities(&target(object, options)).unwrap_err()
}

fn named(error: &ConnectorError) -> Option<&str> {
    error.context.iter().find(|(name, _)| *name == "option").map(|(_, option)| option.as_str())
}

#[test]
fn a_wrong_option_is_named_so_that_its_place_is_told() {
    for (options, option) in [
        (json!({"format": "xml"}), "format"),
        (json!({"format": "csv", "quoting": "some"}), "quoting"),
        (json!({"format": "csv", "header": "no"}), "header"),
        (json!({"format": "csv", "delimiter": "ab"}), "delimiter"),
        (json!({"format": "csv", "encoding": "utf-16"}), "encoding"),
        (json!({"format": "csv", "encoding": "big5", "bom": true}), "bom"),
        (json!({"format": "csv", "null_text": "a,b"}), "null_text"),
        (json!({"delimiter": ";"}), "delimiter"),
        (json!({"compression": "bz2"}), "compression"),
        (json!({"partition_by": "nope"}), "partition_by"),
        (json!({"operation": "name"}), "operation"),
        (json!({"name": "{{ date }}.csv"}), "name"),
        (json!({"name": "{{ nothing }}"}), "name"),
        (json!({"manifest": "{{ date }}.json"}), "manifest"),
        (json!({"done": "../done"}), "done"),
        (json!({"max_rows": 0}), "max_rows"),
        (json!({"max_bytes": "much"}), "max_bytes"),
        (json!({"timezone": "Mars/Olympus"}), "timezone"),
    ] {
        let error = refused("people", options.clone());
        assert_eq!(named(&error), Some(option), "{options}: {error}");
    }
    assert_eq!(named(&refused("a/b", json!({}))), Some("object"));
}

#[test]
fn names_and_a_null_text_that_no_file_can_have_are_told_before_a_run() {
    let columns = |name: &str, options: Json| {
        let target = Target { fields: vec!["id".into(), name.into()], ..target("people", options) };
        destination(Path::new("/nowhere")).capabilities(&target)
    };
    for (name, options, option) in [
        ("日本", json!({"format": "csv", "encoding": "windows-1252"}), "encoding"),
        ("日本", json!({"format": "jsonl", "encoding": "windows-1252"}), "encoding"),
        ("\u{a5}", json!({"format": "csv", "encoding": "shift_jis"}), "encoding"),
        ("a,b", json!({"format": "csv", "quoting": "never"}), "quoting"),
        ("none", json!({"format": "csv", "null_text": "none"}), "null_text"),
        ("a", json!({"format": "csv", "encoding": "windows-1252", "null_text": "無"}), "null_text"),
    ] {
        let error = columns(name, options.clone()).unwrap_err();
        assert_eq!((named(&error), error.hint.is_some()), (Some(option), true), "{options}: {error}");
    }
    let bare = json!({"format": "csv", "encoding": "windows-1252", "header": false});
    assert!(columns("日本", bare).is_ok(), "without a header nobody sees the name");
    assert!(columns("é", json!({"format": "csv", "encoding": "windows-1252"})).is_ok());
}

#[test]
fn files_beside_the_parts_have_names_of_their_own() {
    for (options, option) in [
        (json!({"name": "d-{{ part }}", "done": "d-0001"}), "done"),
        (json!({"name": "{{ object }}-{{ part }}.csv", "done": "people-0117.csv"}), "done"),
        (json!({"name": "d-{{ run }}-{{ part }}", "manifest": "d-{{ run }}-0001"}), "manifest"),
        (json!({"manifest": "{{ date }}_{{ time }}", "done": "{{ date }}_{{ time }}"}), "done"),
        (json!({"done": "{{ object }}-{{ part }}.done"}), "done"),
        (json!({"partition_by": "name", "done": "{{ partition }}.done"}), "done"),
        (json!({"manifest": "{{ run }}-{{ part }}.json"}), "manifest"),
        (json!({"name": "{{ partition }}-{{ part }}.csv"}), "name"),
    ] {
        let error = refused("people", options.clone());
        assert_eq!((named(&error), error.hint.is_some()), (Some(option), true), "{options}: {error}");
    }
    let apart = json!({"name": "d-{{ part }}.csv", "manifest": "d-{{ run }}-0001", "done": "d-0001"});
    assert!(destination(Path::new("/nowhere")).capabilities(&target("people", apart)).is_ok());
}

#[test]
fn neither_a_marker_nor_a_manifest_takes_the_place_of_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let destination = destination(folder.path());
    // Which values there are is known in a run alone.
    let options = json!({"name": "{{ partition }}-{{ part }}.csv", "partition_by": "hour", "header": false,
        "done": "7-0001.csv"});
    let target = target("people", options);
    for hour in [7, 8] {
        let rows = vec![change(hour, text("n"), Value::Integer(hour))];
        let error = run(submit(&*destination, &target, &rows)).unwrap_err();
        assert_eq!(error.code.as_deref(), Some("FILE_EXISTS"), "{error}");
        assert!(error.message.contains("`7-0001.csv`") && named(&error) == Some("done"), "{error}");
    }
    let files = content(folder.path());
    assert_eq!(
        (files["7-0001.csv"].as_str(), files["8-0001.csv"].as_str()),
        ("upsert,7,n,7\n", "upsert,8,n,8\n")
    );
    let manifest =
        Target { options: json!({"manifest": "{{ run }}.json"}).as_object().unwrap().clone(), ..target };
    let other = folder.path().join("20260727T064501Z-aa.json");
    std::fs::write(&other, "somebody's").unwrap();
    let rows = vec![change(1, text("n"), Value::Null)];
    let error = run(submit(&*destination, &manifest, &rows)).unwrap_err();
    assert!(error.message.contains("is no manifest"), "{error}");
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "somebody's");
}
