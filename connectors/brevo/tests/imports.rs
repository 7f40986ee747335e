//! Imports: what they take, and that nothing counts that was not seen.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{Few, Kept, Rig, change, id_of, is_applied, is_unknown, rejected, target, text};
use crate::contract::{
    Change, Destination, Outcome, RemoteHandle, RunContext, Submitted, Target, Value, Verb,
};

fn upserts(count: usize) -> Vec<Change> {
    let row = |n: usize| {
        let fields = [("FIRSTNAME", text("Zoë")), ("AGE", Value::Integer(n as i64)), ("PLAN", Value::Null)];
        change(Verb::Upsert, &format!("p{n}@x.io"), &fields)
    };
    (0..count).map(row).collect()
}

fn imported(more: Json) -> Target {
    let mut options = json!({"lists": [4, 7], "api": "import"});
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    target(options)
}

#[tokio::test]
async fn many_contacts_go_by_one_import_and_are_read_back() {
    let rig = Rig::start(json!({})).await;
    // Many are imported by themselves.
    let target = target(json!({"lists": [4, 7]}));
    let outcomes = rig.submit(&target, upserts(1200)).await;
    assert!(outcomes.iter().all(is_applied));
    assert_eq!(rig.requests("writes"), 1, "one import, and nothing had to be sent again");
    // Two questions for its end, and two pages.
    assert_eq!(rig.requests("reads"), 4);
    let contacts = rig.contacts().await;
    assert_eq!(contacts.len(), 1200);
    assert_eq!(
        contacts["p7@x.io"],
        json!({"email": "p7@x.io", "FIRSTNAME": "Zoë", "AGE": 7, "listIds": [4, 7]})
    );
    assert_ne!(id_of(&outcomes[0]), id_of(&outcomes[1]));
    // Few are not.
    rig.submit(&target, upserts(3)).await;
    assert_eq!(rig.requests("writes"), 4);
}

#[tokio::test]
async fn what_an_import_skips_is_sent_alone_and_refused_in_brevos_words() {
    let rig = Rig::start(json!({})).await;
    let mut changes = upserts(8);
    changes[2] = change(Verb::Upsert, "no address", &[]);
    changes[5].fields[3].value = text("gold");
    // An attribute that the account has not is dropped without a word, so it is never shown.
    changes[6] = change(Verb::Upsert, "p6@x.io", &[("NO_SUCH", text("x"))]);
    let outcomes = rig.submit(&imported(json!({})), changes).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        match number {
            2 | 5 => assert_eq!(rejected(outcome), "invalid_parameter", "{outcome:?}"),
            _ => assert!(is_applied(outcome), "{number}: {outcome:?}"),
        }
    }
    assert_eq!(rig.requests("writes"), 4, "the import, and three alone");
    assert_eq!(rig.contacts().await.len(), 6);
}

#[tokio::test]
async fn an_import_empties_what_is_null() {
    let rig = Rig::start(json!({})).await;
    let plan = |plan: Value| vec![change(Verb::Upsert, "a@x.io", &[("PLAN", plan)])];
    rig.submit(&imported(json!({})), plan(text("silver"))).await;
    assert_eq!(rig.contacts().await["a@x.io"]["PLAN"], "silver");
    let outcomes = rig.submit(&imported(json!({})), plan(Value::Null)).await;
    assert!(is_applied(&outcomes[0]) && rig.contacts().await["a@x.io"].get("PLAN").is_none());
    assert_eq!(rig.requests("writes"), 2, "both by import");
}

#[tokio::test]
async fn a_batch_is_cut_by_the_bytes_of_its_rows() {
    let rig = Rig::start(json!({})).await;
    let mut changes = upserts(20);
    changes[9].fields[1].value = text(&"x".repeat(3000));
    let outcomes = rig.submit(&imported(json!({"max_bytes": 1000})), changes).await;
    assert!(outcomes.iter().all(is_applied), "{outcomes:?}");
    let shown = rig.sandbox.show().await.unwrap();
    let imports = shown["objects"]["brevo"]["processes"].as_array().unwrap().len();
    assert!((2..=4).contains(&imports), "{imports}");
    // The long row fits into no import, and goes alone.
    assert_eq!(rig.requests("writes"), imports as u64 + 1);
    assert_eq!(rig.contacts().await.len(), 20);
}

#[tokio::test]
async fn what_nobody_knows_is_unknown() {
    for (fault, written) in [
        (json!({"do": "lost_ack", "path": "/contacts/import"}), 1),
        (json!({"do": "garbage", "path": "/contacts/import"}), 1),
        (json!({"do": "status", "code": 500, "path": "/processes"}), 1),
        (json!({"do": "status", "code": 403, "path": "/processes"}), 1),
        (json!({"do": "garbage", "path": "/contacts"}), 1),
    ] {
        let rig = Rig::start(json!({"faults": [fault.clone()]})).await;
        let outcomes = rig.submit(&imported(json!({})), upserts(3)).await;
        assert!(outcomes.iter().all(|o| matches!(o, Outcome::Unknown { .. })), "{fault}: {outcomes:?}");
        assert_eq!(rig.requests("writes"), written, "{fault}: an import is never repeated blindly");
    }
}

#[tokio::test]
async fn an_import_that_is_refused_whole_sends_each_row_alone() {
    let rig =
        Rig::start(json!({"faults": [{"do": "status", "code": 422, "path": "/contacts/import"}]})).await;
    let outcomes = rig.submit(&imported(json!({})), upserts(5)).await;
    assert!(outcomes.iter().all(is_applied), "{outcomes:?}");
    assert_eq!(rig.requests("writes"), 6);
    // What is not about the rows is the batch's.
    let rig =
        Rig::start(json!({"faults": [{"do": "status", "code": 401, "path": "/contacts/import"}]})).await;
    let error = rig.try_submit(&imported(json!({})), upserts(5)).await.unwrap_err();
    assert_eq!(error.kind, crate::contract::Kind::Auth);
    assert_eq!(rig.requests("writes"), 1);
}

#[tokio::test]
async fn what_an_import_did_in_part_is_unknown_where_its_own_request_does_not_leave() {
    let rig = Rig::start(json!({})).await;
    // The attribute is dropped without a word, and the rest is done.
    let changes: Vec<Change> = (0..3)
        .map(|n| change(Verb::Upsert, &format!("p{n}@x.io"), &[("NO_SUCH", text("x")), ("PLAN", text("a"))]))
        .collect();
    let context = RunContext { permission: Arc::new(Few(1.into())), ..RunContext::alone("run", "contacts") };
    let session = rig.destination.open(&imported(json!({})), context).await.unwrap();
    let Submitted::Done(receipt) = session.submit(&changes, &Kept::default()).await.unwrap() else {
        panic!()
    };
    assert_eq!(rig.contacts().await["p0@x.io"]["PLAN"], "a");
    assert!(receipt.outcomes().iter().all(is_unknown), "{:?}", receipt.outcomes());
}

#[tokio::test]
async fn a_refusal_after_an_import_that_may_have_done_a_part_is_unknown_first() {
    let rig = Rig::start(json!({})).await;
    let plan = |plan: &str| vec![change(Verb::Upsert, "a@x.io", &[("PLAN", text(plan))])];
    assert!(is_applied(&rig.submit(&imported(json!({})), plan("silver")).await[0]));
    let outcomes = rig.submit(&imported(json!({})), plan("gold")).await;
    let Outcome::Unknown { reason } = &outcomes[0] else { panic!("{outcomes:?}") };
    assert!(reason.contains("invalid_parameter: PLAN is not valid"), "{reason}");
    let outcomes = rig.submit(&target(json!({"lists": [4, 7]})), plan("gold")).await;
    assert_eq!(rejected(&outcomes[0]), "invalid_parameter");
}

#[tokio::test]
async fn what_a_row_leaves_out_stays() {
    let rig = Rig::start(json!({})).await;
    let row = |email: &str, plan: Option<Value>| {
        let fields: Vec<_> = plan.into_iter().map(|plan| ("PLAN", plan)).collect();
        change(Verb::Upsert, email, &fields)
    };
    let plans = |a: Option<Value>, b: Value| vec![row("a@x.io", a), row("b@x.io", Some(b))];
    rig.submit(&imported(json!({})), plans(Some(text("silver")), text("free"))).await;
    let outcomes = rig.submit(&imported(json!({})), plans(None, Value::Null)).await;
    assert!(outcomes.iter().all(is_applied), "{outcomes:?}");
    let contacts = rig.contacts().await;
    assert_eq!(contacts["a@x.io"]["PLAN"], "silver");
    assert!(contacts["b@x.io"].get("PLAN").is_none());
}

#[tokio::test]
async fn an_import_that_a_run_left_is_waited_for_before_anything_is_sent_again() {
    let fault = json!({"do": "status", "code": 403, "path": "/processes", "times": 1});
    let rig = Rig::start(json!({"faults": [fault]})).await;
    let (kept, changes) = (Kept::default(), upserts(3));
    let session =
        rig.destination.open(&imported(json!({})), RunContext::alone("run", "contacts")).await.unwrap();
    let Submitted::Done(receipt) = session.submit(&changes, &kept).await.unwrap() else { panic!() };
    assert!(receipt.outcomes().iter().all(is_unknown));
    assert!(rig.contacts().await.is_empty(), "it is still at work");
    let handle = kept.last().unwrap();
    let session =
        rig.destination.open(&imported(json!({})), RunContext::alone("next", "contacts")).await.unwrap();
    let receipt = session.settle(&handle, &changes).await.unwrap();
    assert!(receipt.outcomes().iter().all(is_unknown));
    assert_eq!(rig.contacts().await.len(), 3, "its end was waited for");
    // One that Brevo knows no more is at work no more.
    assert!(session.settle(&RemoteHandle("999999".to_owned()), &changes).await.is_ok());
}
