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

#[test]
fn every_mistake_is_told_with_its_place() {
    let mut cases = vec![
        (json!({}), "destination.request", "is missing"),
        (json!({"request": "PUT /x"}), "destination.request", "must be a block"),
        (json!({"create": {"method": "POST", "path": "/x"}}), "destination.create", "has no `success`"),
        (without(&["request", "method"]), "destination.request.method", "is missing"),
        (without(&["request", "path"]), "destination.request.path", "is missing"),
    ];
    for (path, value, place, word) in [
        (&["request", "bodi"][..], json!("{}"), "destination.request.bodi", "is not known"),
        (&["request", "method"], json!("GET"), "destination.request.method", "one of `POST`"),
        (&["request", "path"], json!("people/{{ key.id }}"), "destination.request.path", "begin with `/`"),
        (&["request", "path"], json!("/{{ key.id"), "destination.request.path", "syntax error"),
        (&["request", "path"], json!("/{{ key.email }}"), "destination.request.path", "`key.email`"),
        (&["request", "body"], json!("{{ name | tojson }}"), "destination.request.body", "`name`"),
        (
            &["request", "body"],
            json!("{{ fields.nam | tojson }}"),
            "destination.request.body",
            "`fields.nam`",
        ),
        (&["request", "body"], json!("{{ fields | to_json }}"), "destination.request.body", "to_json"),
        (&["request", "body"], json!("{{ rows | tojson }}"), "destination.request.body", "batch: {rows: N}"),
        (&["request", "body"], json!(7), "destination.request.body", "must be a text"),
        (&["delete", "body"], json!("{{ fields | tojson }}"), "destination.delete.body", "a removal knows"),
        (
            &["request", "headers"],
            json!({"Authorization": "x"}),
            "destination.request.headers.Authorization",
            "itself",
        ),
        (&["request", "headers"], json!({"X-A": "{{ x }}"}), "destination.request.headers.X-A", "`x`"),
        (
            &["request", "headers"],
            json!({"Content-Type": "{{ id }}"}),
            "destination.request.headers.content-type",
            "cannot be a template",
        ),
        (&["request", "repeatable"], json!("yes"), "destination.request.repeatable", "`true` or `false`"),
        (&["request", "batch"], json!({"rows": 0}), "destination.request.batch.rows", "from 1 to"),
        (
            &["request", "batch"],
            json!({"rows": 5, "bytes": "much"}),
            "destination.request.batch.bytes",
            "`512kB`",
        ),
        (
            &["success"],
            json!({"when": {"pointer": "/ok", "equals": true}}),
            "destination.success",
            "no `status`",
        ),
        (
            &["success"],
            json!([{"status": 200}, {"status": 99}]),
            "destination.success[1].status",
            "HTTP status",
        ),
        (
            &["success"],
            json!({"status": 200, "when": {"pointer": "ok", "equals": true}}),
            "destination.success.when.pointer",
            "JSON Pointer",
        ),
        (
            &["success"],
            json!({"status": 200, "when": {"pointer": "/a~2", "equals": true}}),
            "destination.success.when.pointer",
            "JSON Pointer",
        ),
        (
            &["success"],
            json!({"status": 200, "when": {"pointer": "/ok"}}),
            "destination.success.when",
            "with one of",
        ),
        (
            &["success"],
            json!({"status": 200, "when": {"pointer": "/ok", "equal": true}}),
            "destination.success.when.equal",
            "is not known",
        ),
        (&["rejected"], json!({"status": 400, "cod": "/error"}), "destination.rejected.cod", "is not known"),
        (&["remote_id"], json!("id"), "destination.remote_id", "JSON Pointer"),
        (&["row_errors"], json!({"list": "/errors"}), "destination.row_errors", "which row"),
        (&["row_errors"], json!({"index": "/index"}), "destination.row_errors.list", "is missing"),
        (
            &["row_results"],
            json!({"list": "/r", "index": "/i", "order": true}),
            "destination.row_results",
            "which row",
        ),
        (
            &["row_results"],
            json!({"list": "/r", "key": {"email": "/email"}}),
            "destination.request",
            "`match_on`",
        ),
    ] {
        cases.push((with(path, value), place, word));
    }
    let mut batch = in_batches("/people/{{ key.id }}");
    cases.push((batch.clone(), "destination.request.path", "each of the `rows`"));
    batch["request"]["path"] = "/{{ rows[0].name }}".into();
    cases.push((batch, "destination.request.path", "undefined value"));
    for (options, place, word) in cases {
        let error = capabilities(options.clone()).unwrap_err();
        assert_eq!(error.kind, Kind::Config);
        let begins = error.message.starts_with(&format!("`{place}` "));
        assert!(begins && error.message.contains(word), "{place}: {word}: {error}\n{options:#}");
        assert!(error.context.iter().any(|(name, value)| *name == "option" && value == place), "{error:?}");
    }
    let close = capabilities(with(&["request", "bodi"], "{}".into())).unwrap_err();
    assert_eq!(close.hint.as_deref(), Some("did you mean `body`?"));
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
