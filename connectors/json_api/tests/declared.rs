//! What a mapping may declare, and what is said of a mistake.

use serde_json::{Value as Json, json};

use super::{by_address, connected, in_batches, target};
use crate::contract::{Capabilities, ConnectorError, DeleteKind, Destination, Kind, Verb};

fn capabilities(options: Json) -> Result<Capabilities, ConnectorError> {
    connected("x", "https://api.example.com", std::time::Duration::from_secs(1))
        .capabilities(&target(options))
}

/// `by_address` with a value set, by the path to it.
fn with(path: &[&str], value: Json) -> Json {
    let mut options = by_address();
    let (last, way) = path.split_last().unwrap();
    let place = way.iter().fold(&mut options, |at, key| &mut at[*key]);
    place[*last] = value;
    options
}

fn without(path: &[&str]) -> Json {
    let mut options = by_address();
    let (last, way) = path.split_last().unwrap();
    let place = way.iter().fold(&mut options, |at, key| &mut at[*key]);
    place.as_object_mut().unwrap().remove(*last);
    options
}

#[test]
fn the_requests_say_what_can_be_done() {
    let all = capabilities(by_address()).unwrap();
    assert_eq!(all.verbs, [Verb::Create, Verb::Upsert, Verb::Update, Verb::Delete]);
    assert_eq!((all.batch_rows, all.deletes, all.remote_ids), (1, DeleteKind::Hard, true));
    let batches = capabilities(in_batches("/people/batch")).unwrap();
    assert_eq!((batches.batch_rows, batches.deletes), (100, DeleteKind::None));
    assert_eq!(batches.verbs, [Verb::Upsert]);
    assert!(batches.partial_answers && batches.remote_ids);
    assert!(!capabilities(without(&["remote_id"])).unwrap().remote_ids);
    let create =
        json!({"create": {"method": "POST", "path": "/x", "body": "{}"}, "success": {"status": 200}});
    assert_eq!(capabilities(create).unwrap().verbs, [Verb::Create]);
    let list = json!({
        "join": {"method": "PUT", "path": "/list/{{ key.id }}"}, "leave": {"method": "DELETE", "path": "/list/{{ key.id }}"},
        "success": {"status": 200},
    });
    assert_eq!(capabilities(list).unwrap().verbs, [Verb::Join, Verb::Leave]);
}

#[test]
fn an_upsert_must_bear_being_sent_twice() {
    for (method, repeatable, fine) in
        [("PUT", None, true), ("PUT", Some(false), false), ("POST", None, false), ("POST", Some(true), true)]
    {
        let mut options = with(&["request", "method"], method.into());
        if let Some(repeatable) = repeatable {
            options["request"]["repeatable"] = repeatable.into();
        }
        match capabilities(options) {
            Ok(_) => assert!(fine, "{method} {repeatable:?}"),
            Err(error) => {
                assert!(
                    !fine && error.message.contains("more than once"),
                    "{method} {repeatable:?}: {error}"
                );
                assert!(error.hint.unwrap().contains("mode: insert"));
            }
        }
    }
}

/// Fails unless these options are refused, at this place below `destination`, with this word.
#[track_caller]
fn refuses(options: Json, place: &str, word: &str) {
    let place = format!("destination.{place}");
    let error = capabilities(options.clone()).unwrap_err();
    assert_eq!(error.kind, Kind::Config);
    let begins = error.message.starts_with(&format!("`{place}` "));
    assert!(begins && error.message.contains(word), "{place}: {word}: {error}\n{options:#}");
    assert!(error.context.iter().any(|(name, value)| *name == "option" && *value == place), "{error:?}");
}

#[test]
fn a_mistake_in_a_request_is_told_with_its_place() {
    refuses(json!({}), "request", "is missing");
    refuses(json!({"request": "PUT /x"}), "request", "must be a block");
    refuses(json!({"create": {"method": "POST", "path": "/x"}}), "create", "has no `success`");
    refuses(without(&["request", "method"]), "request.method", "is missing");
    refuses(without(&["request", "path"]), "request.path", "is missing");
    for (key, value, place, word) in [
        ("bodi", json!("{}"), "bodi", "is not known"),
        ("method", json!("GET"), "method", "one of `POST`"),
        ("path", json!("people/{{ key.id }}"), "path", "begin with `/`"),
        ("path", json!("/{{ key.id"), "path", "syntax error"),
        ("path", json!("/{{ key.email }}"), "path", "`key.email`"),
        ("body", json!("{{ name | tojson }}"), "body", "`name`"),
        ("body", json!("{{ fields.nam | tojson }}"), "body", "`fields.nam`"),
        ("body", json!("{{ fields | to_json }}"), "body", "to_json"),
        ("body", json!("{{ rows | tojson }}"), "body", "batch: {rows: N}"),
        ("body", json!(7), "body", "must be a text"),
        ("headers", json!({"Authorization": "x"}), "headers.Authorization", "itself"),
        ("headers", json!({"X-A": "{{ x }}"}), "headers.X-A", "`x`"),
        ("headers", json!({"Content-Type": "{{ id }}"}), "headers.content-type", "cannot be a template"),
        ("repeatable", json!("yes"), "repeatable", "`true` or `false`"),
        ("batch", json!({"rows": 0}), "batch.rows", "from 1 to"),
        ("batch", json!({"rows": 5, "bytes": "much"}), "batch.bytes", "`512kB`"),
    ] {
        refuses(with(&["request", key], value), &format!("request.{place}"), word);
    }
    refuses(with(&["delete", "body"], "{{ fields | tojson }}".into()), "delete.body", "a removal knows");
    let mut batch = in_batches("/people/{{ key.id }}");
    refuses(batch.clone(), "request.path", "each of the `rows`");
    batch["request"]["path"] = "/{{ rows[0].name }}".into();
    refuses(batch, "request.path", "undefined value");
    let close = capabilities(with(&["request", "bodi"], "{}".into())).unwrap_err();
    assert_eq!(close.hint.as_deref(), Some("did you mean `body`?"));
}

#[test]
fn a_mistake_in_a_rule_is_told_with_its_place() {
    let when = |condition: Json| json!({"status": 200, "when": condition});
    for (key, value, place, word) in [
        ("success", json!({"when": {"text": "ok"}}), "success", "no `status`"),
        ("success", json!([{"status": 200}, {"status": 99}]), "success[1].status", "HTTP status"),
        ("success", when(json!({"pointer": "ok", "equals": 1})), "success.when.pointer", "JSON Pointer"),
        ("success", when(json!({"pointer": "/a~2", "equals": 1})), "success.when.pointer", "JSON Pointer"),
        ("success", when(json!({"pointer": "/ok"})), "success.when", "with one of"),
        ("success", when(json!({"pointer": "/ok", "equal": 1})), "success.when.equal", "is not known"),
        ("success", when(json!({"pointer": "/ok", "one_of": []})), "success.when.one_of", "list of values"),
        ("rejected", json!({"status": 400, "cod": "/error"}), "rejected.cod", "is not known"),
        ("remote_id", json!("id"), "remote_id", "JSON Pointer"),
        ("row_errors", json!({"list": "/errors"}), "row_errors", "which row"),
        ("row_errors", json!({"index": "/index"}), "row_errors.list", "is missing"),
        ("row_results", json!({"list": "/r", "index": "/i", "order": true}), "row_results", "which row"),
        ("row_results", json!({"list": "/r", "key": {"email": "/email"}}), "request", "`match_on`"),
    ] {
        refuses(with(&[key], value), place, word);
    }
}

#[test]
fn rules_that_speak_of_one_row_do_not_go_with_a_batch() {
    for (key, value) in [("absent", json!({"status": 404})), ("remote_id", json!("/id"))] {
        let mut options = in_batches("/people/batch");
        options[key] = value;
        let error = capabilities(options).unwrap_err();
        assert!(
            error.message.contains(&format!("`{key}` beside `batch`")) && error.hint.is_some(),
            "{error}"
        );
    }
}
