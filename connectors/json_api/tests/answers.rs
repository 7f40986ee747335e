//! What answers mean, by rules; some of them recorded.

use serde_json::{Value as Json, json};

use super::super::block::Block;
use super::super::rules::{KEYS, Rules};
use super::answer;
use crate::contract::{Kind, Outcome, Retry, Verb};
use crate::http::{Answer, Verdict};

fn rules(value: Json) -> Rules {
    let value = Box::leak(Box::new(value));
    Rules::read(&Block::read(value, "destination", &KEYS).unwrap(), &Rules::default()).unwrap()
}

/// Slack's way: 200 for all, and `ok` tells.
fn slack() -> Rules {
    rules(json!({
        "unauthorized": {"status": 200, "code": "/error",
            "when": {"pointer": "/error", "one_of": ["invalid_auth", "token_revoked"]}},
        "retry": {"status": 200, "when": {"pointer": "/error", "equals": "internal_error"}},
        "rejected": {"status": 200, "when": {"pointer": "/ok", "equals": false}, "code": "/error"},
        "success": {"status": 200, "when": {"pointer": "/ok", "equals": true}},
    }))
}

fn batch() -> Rules {
    rules(json!({
        "success": {"status": [200, 207]},
        "rejected": {"status": 400, "code": "/code"},
        "row_errors": {"list": "/errors", "index": "/batch_index", "code": "/reason", "message": "/message",
            "field": "/field", "absent": ["not_found"]},
    }))
}

/// The reading in a word, and its code.
fn read(rules: &Rules, answer: &Answer) -> (Option<Kind>, String) {
    match rules.verdict(answer) {
        Verdict::Success => (None, "success".to_owned()),
        Verdict::ByStatus => (None, "by status".to_owned()),
        Verdict::Failure(error) => (Some(error.kind), error.code.unwrap_or_default()),
    }
}

#[test]
fn the_first_rule_that_matches_decides_and_nothing_else_is_a_success() {
    let unknown = (Some(Kind::Ambiguous), "HTTP_UNRECOGNISED".to_owned());
    for (answer, reading) in [
        (answer(200, json!({"ok": true})), (None, "success".to_owned())),
        (answer(200, json!({"ok": false, "error": "bad"})), (Some(Kind::Rejected), "bad".into())),
        (answer(200, json!({"ok": false})), (Some(Kind::Rejected), "HTTP_REFUSED".into())),
        (
            answer(200, json!({"ok": false, "error": "invalid_auth"})),
            (Some(Kind::Auth), "invalid_auth".into()),
        ),
        (
            answer(200, json!({"ok": false, "error": "internal_error"})),
            (Some(Kind::Unavailable), "HTTP_REFUSED".into()),
        ),
        (answer(200, json!({"ok": "true"})), unknown.clone()),
        (answer(200, json!({})), unknown.clone()),
        (answer(200, json!([])), unknown.clone()),
        (answer(200, Json::Null), unknown.clone()),
        (answer(204, Json::Null), unknown.clone()),
        (answer(201, json!({"ok": true})), unknown),
        // A proxy's page is nobody's success; the status makes it one that is asked for again.
        (answer(200, json!("<html>Welcome</html>")), (None, "by status".to_owned())),
        (answer(500, json!({"ok": true})), (None, "by status".to_owned())),
        (answer(429, json!({"ok": false})), (None, "by status".to_owned())),
    ] {
        assert_eq!(read(&slack(), &answer), reading, "{answer:?}");
    }
}

#[test]
fn a_status_alone_confirms_only_json_or_nothing() {
    let plain = rules(json!({"success": {"status": [200, 204]}}));
    assert_eq!(read(&plain, &answer(204, Json::Null)).1, "success");
    assert_eq!(read(&plain, &answer(200, json!({}))).1, "success");
    assert_eq!(read(&plain, &answer(200, json!("ok"))).1, "by status");
    // Unless the rule names the page: a webhook's `ok`.
    let named = rules(json!({"success": {"status": 200, "when": {"text": "ok"}}}));
    assert_eq!(read(&named, &answer(200, json!("ok\n"))).1, "success");
    assert_eq!(read(&named, &answer(200, json!("<html>ok</html>"))).1, "by status");
    assert_eq!(read(&named, &answer(200, json!({}))).0, Some(Kind::Ambiguous));
    let absent = rules(json!({"success": {"status": 200}, "absent": {"status": 404}}));
    assert_eq!(read(&absent, &answer(404, json!("<html>no such route</html>"))).1, "by status");
    assert_eq!(absent.outcomes(&answer(404, json!({})), Verb::Delete, &rows(1)), [applied(None)]);
    let missing = absent.outcomes(&answer(404, json!({})), Verb::Update, &rows(1));
    assert!(
        matches!(&missing[0], Outcome::Rejected { code, .. } if code == "OBJECT_NOT_FOUND"),
        "{missing:?}"
    );
    let strange = absent.outcomes(&answer(404, json!({})), Verb::Upsert, &rows(1));
    assert!(matches!(&strange[0], Outcome::Unknown { .. }), "{strange:?}");
}

#[test]
fn a_wait_that_the_answer_names_is_obeyed() {
    let later = rules(json!({"success": {"status": 200}, "retry": {"status": 409}}));
    let mut busy = answer(409, json!({}));
    busy.headers.insert("retry-after", "7".parse().unwrap());
    let Verdict::Failure(error) = later.verdict(&busy) else { panic!() };
    assert_eq!(
        (error.kind, error.retry),
        (Kind::Unavailable, Retry::After(std::time::Duration::from_secs(7)))
    );
}

fn rows(count: usize) -> Vec<Vec<(String, String)>> {
    (0..count).map(|n| vec![("id".to_owned(), format!("p{n}"))]).collect()
}

fn applied(id: Option<&str>) -> Outcome {
    Outcome::Applied { remote_id: id.map(str::to_owned), created: None }
}

/// One letter for each outcome.
fn letters(outcomes: &[Outcome]) -> String {
    let letter = |outcome: &Outcome| match outcome {
        Outcome::Applied { .. } => 'a',
        Outcome::Rejected { .. } => 'r',
        Outcome::Unknown { .. } => '?',
        _ => 'x',
    };
    outcomes.iter().map(letter).collect()
}

#[test]
fn rows_are_refused_by_index_and_the_others_stand() {
    for (body, expected) in [
        (json!({}), "aaa"),
        (json!({"errors": []}), "aaa"),
        (json!({"errors": [{"batch_index": 1, "reason": "invalid"}]}), "ara"),
        (json!({"errors": [{"batch_index": "2", "reason": "invalid"}]}), "aar"),
        // An error that names no row could be about any.
        (json!({"errors": [{"batch_index": 9}]}), "???"),
        (json!({"errors": [{"batch_index": 0}, {"reason": "x"}]}), "r??"),
        (json!({"errors": {"0": "x"}}), "???"),
    ] {
        assert_eq!(
            letters(&batch().outcomes(&answer(207, body.clone()), Verb::Upsert, &rows(3))),
            expected,
            "{body}"
        );
    }
    let gone = json!({"errors": [{"batch_index": 0, "reason": "not_found"}]});
    assert_eq!(letters(&batch().outcomes(&answer(207, gone.clone()), Verb::Delete, &rows(2))), "aa");
    assert_eq!(letters(&batch().outcomes(&answer(207, gone), Verb::Update, &rows(2))), "ra");
}

#[test]
fn only_rows_that_the_answer_confirms_are_delivered() {
    let confirming = |naming: Json| {
        let mut results =
            json!({"list": "/results", "id": "/id", "when": {"pointer": "/ok", "equals": true}});
        results.as_object_mut().unwrap().extend(naming.as_object().unwrap().clone());
        rules(json!({
            "success": {"status": 200}, "row_results": results,
            "row_errors": {"list": "/results", "order": true, "when": {"pointer": "/ok", "equals": false}},
        }))
    };
    let by_key = confirming(json!({"key": {"id": "/key"}}));
    let in_order = confirming(json!({"order": true}));
    let good = |n: usize| json!({"ok": true, "id": 70 + n, "key": format!("p{n}")});
    let bad = |n: usize| json!({"ok": false, "key": format!("p{n}")});
    for (rules, results, expected) in [
        (&by_key, json!([good(0), good(1), good(2)]), "aaa"),
        (&by_key, json!([good(2), good(0), good(1)]), "aaa"),
        (&by_key, json!([good(0), bad(1), good(2)]), "ara"),
        (&in_order, json!([good(0), bad(1), good(2)]), "ara"),
        // Fewer than were sent: in order they name nobody.
        (&in_order, json!([good(0), good(1)]), "???"),
        (
            &by_key,
            json!([{"ok": true, "key": "p1"}, {"ok": true, "key": "p1"}, {"ok": true, "key": "zz"}]),
            "?a?",
        ),
        (&in_order, json!([{"ok": "yes"}, good(1), good(2)]), "?aa"),
        (&by_key, Json::Null, "???"),
    ] {
        let outcomes = rules.outcomes(&answer(200, json!({"results": results})), Verb::Upsert, &rows(3));
        assert_eq!(letters(&outcomes), expected, "{results}");
    }
    let outcomes =
        by_key.outcomes(&answer(200, json!({"results": [good(2), good(0)]})), Verb::Upsert, &rows(3));
    assert_eq!([&outcomes[0], &outcomes[2]], [&applied(Some("70")), &applied(Some("72"))]);
    // Confirmed by one list and refused by the other.
    let both = rules(json!({
        "success": {"status": 200}, "row_results": {"list": "/done", "index": "/i"},
        "row_errors": {"list": "/errors", "index": "/i"},
    }));
    let body = json!({"done": [{"i": 0}, {"i": 1}], "errors": [{"i": 1}]});
    assert_eq!(letters(&both.outcomes(&answer(200, body), Verb::Upsert, &rows(2))), "a?");
}

#[test]
fn a_refusal_of_the_whole_can_name_its_rows() {
    let refusal = answer(
        400,
        json!({"code": "bad", "errors": [{"batch_index": 1, "reason": "invalid", "field": "email"}]}),
    );
    assert_eq!(read(&batch(), &refusal), (Some(Kind::Rejected), "bad".into()));
    let named = batch().named(&refusal, Verb::Upsert, &rows(3));
    let [(1, Outcome::Rejected { code, field, .. })] = named.as_slice() else { panic!("{named:?}") };
    assert_eq!((code.as_str(), field.as_deref()), ("invalid", Some("email")));
}

#[test]
fn recorded_and_documented_answers_are_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/http/http");
    let mut cases = 0;
    for file in std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()) {
        if file.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let case: Json = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        let name = file.display();
        let response = &case["response"];
        let answer = answer(response["status"].as_u64().unwrap() as u16, response["body"].clone());
        let rules = rules(case["rules"].clone());
        let verb = serde_json::from_value(case["verb"].clone()).unwrap();
        let rows = rows(case["rows"].as_u64().unwrap() as usize);
        let reading = match rules.verdict(&answer) {
            Verdict::Success => letters(&rules.outcomes(&answer, verb, &rows)),
            Verdict::ByStatus => "by status".to_owned(),
            Verdict::Failure(error) => format!("{:?} {}", error.kind, error.code.unwrap_or_default()),
        };
        assert_eq!(case["reading"], reading, "{name}");
        cases += 1;
    }
    assert!(cases >= 5, "{cases} files");
}
