//! The connector against the sandbox: what is sent, how often, and what stays unknown.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{by_address, change, connected, field, in_batches, is_applied, submit, target};
use crate::contract::{Change, Destination, Kind, Outcome, Verb};
use crate::json_api::JsonApi;
use crate::sandbox::{Sandbox, SandboxConfig, Storage};

struct Rig {
    sandbox: Sandbox,
    api: JsonApi,
}

impl Rig {
    /// Refuses the nickname `Mallory`.
    async fn start(faults: Json) -> Rig {
        let block = json!({"faults": faults, "limits": {"requests": "10000/1s"}, "objects": {"people": {
            "id": "string", "name": "string", "nickname": {"type": "string", "refuse": "Mallory"},
        }}});
        let mut config = SandboxConfig::default();
        config.add("http", &block).unwrap();
        let sandbox = Sandbox::start(config, Storage::Memory, 0).await.unwrap();
        let api = connected("tok-good", &format!("{}/http", sandbox.url()), Duration::from_secs(20));
        Rig { sandbox, api }
    }

    fn writes(&self) -> u64 {
        self.api.traffic().writes
    }

    async fn living(&self) -> usize {
        let shown = self.sandbox.show().await.unwrap();
        let objects = shown["objects"]["http"]["people"].as_array().cloned().unwrap_or_default();
        objects.iter().filter(|object| object["archived"] == false).count()
    }
}

/// Rows of which these have the nickname that is refused.
fn rows(count: usize, bad: &[usize]) -> Vec<Change> {
    let row = |n: usize| {
        let mut change = change(Verb::Upsert, &format!("p{n}"));
        if bad.contains(&n) {
            change.fields.push(field("nickname", "Mallory"));
        }
        change
    };
    (0..count).map(row).collect()
}

fn refused_places(outcomes: &[Outcome]) -> Vec<usize> {
    let is_refused = |outcome: &Outcome| matches!(outcome, Outcome::Rejected { .. });
    outcomes.iter().enumerate().filter(|(_, o)| is_refused(o)).map(|(at, _)| at).collect()
}

#[tokio::test]
async fn bad_rows_cost_themselves_and_few_requests() {
    let bad = [7, 41, 42];
    let mut nameless = in_batches("/people/batch/strict");
    nameless.as_object_mut().unwrap().remove("row_errors");
    for (options, most) in [
        (in_batches("/people/batch"), 1),
        // Refused whole, with the rows named: once more without them.
        (in_batches("/people/batch/strict"), 2),
        // Refused whole without a word: cut in two until they are found.
        (nameless, 30),
    ] {
        let rig = Rig::start(json!([])).await;
        let outcomes = submit(&rig.api, &target(options.clone()), rows(100, &bad)).await.unwrap();
        assert_eq!(refused_places(&outcomes), bad, "{options}");
        assert_eq!(outcomes.iter().filter(|o| is_applied(o)).count(), 97);
        assert_eq!(rig.living().await, 97);
        assert!(rig.writes() <= most, "{} requests: {options}", rig.writes());
        rig.sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_row_that_makes_no_body_is_left_out() {
    let mut options = in_batches("/people/batch");
    // A row without a name has no `name` at all.
    let body =
        options["request"]["body"].as_str().unwrap().replace("row.fields |", "{'name': row.fields.name} |");
    options["request"]["body"] = body.into();
    let mut changes = rows(5, &[]);
    changes[3].fields.remove(1);
    let rig = Rig::start(json!([])).await;
    let outcomes = submit(&rig.api, &target(options), changes).await.unwrap();
    assert_eq!((refused_places(&outcomes), rig.living().await, rig.writes()), (vec![3], 4, 1));
    assert!(
        matches!(&outcomes[3], Outcome::Rejected { code, .. } if code == "HTTP_TEMPLATE"),
        "{outcomes:?}"
    );
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn bodies_stay_below_their_size() {
    let mut options = in_batches("/people/batch");
    options["request"]["batch"] = json!({"rows": 60, "bytes": "1500B"});
    let rig = Rig::start(json!([])).await;
    let outcomes = submit(&rig.api, &target(options), rows(100, &[13])).await.unwrap();
    assert_eq!((refused_places(&outcomes), rig.living().await), (vec![13], 99));
    assert!((4..=8).contains(&rig.writes()), "{}", rig.writes());
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn an_answer_that_no_rule_recognises_proves_nothing() {
    let mut options = by_address();
    options["success"] = json!({"status": 200, "when": {"pointer": "/result", "equals": "done"}});
    let rig = Rig::start(json!([])).await;
    let error = submit(&rig.api, &target(options), rows(1, &[])).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Ambiguous, Some("HTTP_UNRECOGNISED")));
    assert_eq!(rig.writes(), 1, "another attempt would be answered in the same way");
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn what_an_unclear_part_leaves_is_not_sent() {
    // Three requests of two rows: the second is never answered clearly.
    let mut options = in_batches("/people/batch");
    options["request"]["batch"] = json!({"rows": 2});
    options["request"]["repeatable"] = false.into();
    options["create"] = options["request"].take();
    options.as_object_mut().unwrap().remove("request");
    let changes = || rows(6, &[]).into_iter().map(|c| Change { verb: Verb::Create, ..c }).collect::<Vec<_>>();
    let rig = Rig::start(json!([{"do": "delay", "ms": 1, "times": 1}, {"do": "lost_ack", "times": 1}])).await;
    let outcomes = submit(&rig.api, &target(options), changes()).await.unwrap();
    let letters: String = outcomes.iter().map(|o| format!("{o:?}").remove(0)).collect();
    assert_eq!((letters.as_str(), rig.writes(), rig.living().await), ("AAUUDD", 2, 4), "{outcomes:?}");
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn calls_that_answer_200_to_all_are_read_by_their_words() {
    let options = json!({
        "create": {"method": "POST", "path": "/api/lists.{{ object }}.create", "body": "{\"name\": \"{{ fields.name }}\"}"},
        "delete": {"method": "POST", "path": "/api/lists.{{ object }}.delete", "body": "{\"id\": {{ id | tojson }}}",
            "repeatable": true, "absent": {"status": 200, "when": {"pointer": "/error", "equals": "not_found"}},
            "rejected": {"status": 200, "when": {"pointer": "/error", "equals": "invalid_arguments"}, "code": "/error"}},
        "success": {"status": 200, "when": {"pointer": "/ok", "equals": true}},
        "rejected": {"status": 200, "when": {"pointer": "/ok", "equals": false}, "code": "/error", "message": "/detail"},
        "remote_id": "/item/id",
    });
    let rig = Rig::start(json!([])).await;
    // The object's name in this style is `lists.people`, which is not declared and takes what comes.
    let create = change(Verb::Create, "p1");
    let outcomes = submit(&rig.api, &target(options.clone()), vec![create]).await.unwrap();
    let Outcome::Applied { remote_id: Some(id), created: Some(true) } = &outcomes[0] else {
        panic!("{outcomes:?}")
    };
    let delete = Change { remote_id: Some(id.clone()), ..change(Verb::Delete, "p1") };
    for _ in 0..2 {
        let outcomes = submit(&rig.api, &target(options.clone()), vec![delete.clone()]).await.unwrap();
        assert!(is_applied(&outcomes[0]), "{outcomes:?}");
    }
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn what_the_mapping_has_no_request_for_waits() {
    let mut options = by_address();
    options.as_object_mut().unwrap().remove("update");
    let rig = Rig::start(json!([])).await;
    let outcomes = submit(&rig.api, &target(options), vec![change(Verb::Update, "p1")]).await.unwrap();
    let Outcome::Deferred { reason } = &outcomes[0] else { panic!("{outcomes:?}") };
    assert!(reason.contains("no `update` request") && rig.writes() == 0, "{reason}");
    rig.sandbox.stop().await;
}
