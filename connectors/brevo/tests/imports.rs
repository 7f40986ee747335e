//! Imports: what they take, and that nothing counts that was not seen.

use serde_json::{Value as Json, json};

use super::{Rig, change, id_of, is_applied, rejected, target, text};
use crate::contract::{Change, Outcome, Target, Value, Verb};

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
