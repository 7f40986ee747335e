//! Imports: what they take, what their errors say, and that nothing counts that was not confirmed.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use super::{Closing, Kept, Rig, change, is_applied, is_unknown, rejected, target, text, upserts};
use crate::contract::{
    Change, Destination, Kind, Outcome, RemoteHandle, RunContext, Submitted, Target, Value, Verb, Window,
};

fn imported() -> Target {
    target(json!({"api": "import"}))
}

#[tokio::test]
async fn many_profiles_go_by_one_import_and_few_one_by_one() {
    let rig = Rig::start(json!({})).await;
    let outcomes = rig.submit(&target(json!({})), upserts(1200)).await;
    assert!(outcomes.iter().all(is_applied));
    assert_eq!(rig.requests("writes"), 1);
    // Two questions for its end, and its errors.
    assert_eq!(rig.requests("reads"), 3);
    let profiles = rig.profiles().await;
    assert_eq!(profiles.len(), 1200);
    let seventh = json!({"email": "p7@x.io", "first_name": "Zoë", "location.city": "Kyoto", "age": 7});
    assert_eq!(profiles["p7@x.io"], seventh);
    rig.submit(&target(json!({})), upserts(3)).await;
    assert_eq!((rig.requests("writes"), rig.jobs().await), (4, 1));
    rig.submit(&target(json!({"api": "profiles"})), upserts(60)).await;
    assert_eq!((rig.requests("writes"), rig.jobs().await), (64, 1));
}

#[tokio::test]
async fn what_an_import_refuses_is_refused_by_name_and_the_rest_is_done() {
    let rig = Rig::start(json!({})).await;
    let mut changes = upserts(150);
    changes[2] = change(Verb::Upsert, "no address", &[]);
    changes[70] = change(Verb::Upsert, "p70@x.io", &[("plan", text("gold"))]);
    changes[149] = change(Verb::Upsert, "p149@x.io", &[("phone_number", text("0612345678"))]);
    changes[5].destination_key[0].value = Value::Null;
    changes[6].fields.push(super::field("note", text(&"x".repeat(100_000))));
    let outcomes = rig.submit(&imported(), changes).await;
    let expected = [
        (2, "invalid", Some("email")),
        (70, "invalid", Some("plan")),
        (149, "invalid", Some("phone_number")),
        (5, "KEY_EMPTY", Some("email")),
        (6, "PROFILE_TOO_LARGE", None),
    ];
    for (place, outcome) in outcomes.iter().enumerate() {
        match expected.iter().find(|(at, ..)| *at == place) {
            Some((_, code, field)) => {
                assert_eq!(rejected(outcome), *code, "{place}");
                assert!(
                    matches!(outcome, Outcome::Rejected { field: f, .. } if f.as_deref() == *field),
                    "{outcome:?}"
                );
            }
            None => assert!(is_applied(outcome), "{place}: {outcome:?}"),
        }
    }
    assert_eq!((rig.requests("writes"), rig.profiles().await.len()), (1, 145));
}

#[tokio::test]
async fn more_errors_than_a_page_holds_are_all_read() {
    let rig = Rig::start(json!({})).await;
    let mut changes = upserts(400);
    (0..250)
        .for_each(|n| changes[n] = change(Verb::Upsert, &format!("p{n}@x.io"), &[("plan", text("gold"))]));
    let outcomes = rig.submit(&imported(), changes).await;
    assert!(outcomes[..250].iter().all(|outcome| matches!(outcome, Outcome::Rejected { .. })));
    assert!(outcomes[250..].iter().all(is_applied));
    assert_eq!(rig.requests("reads"), 2 + 3);
}

#[tokio::test]
async fn an_import_says_nothing_of_nulls_so_such_rows_go_alone() {
    let rig = Rig::start(json!({})).await;
    let row = |email: &str, name: Value, plan: Value| {
        change(Verb::Upsert, email, &[("first_name", name), ("plan", plan), ("age", Value::Integer(1))])
    };
    let rows = |name: Value, plan: Value| {
        vec![
            row("a@x.io", name.clone(), text("pro")),
            row("b@x.io", text("Bob"), plan),
            row("c@x.io", text("Cyd"), text("pro")),
        ]
    };
    rig.submit(&imported(), rows(text("Ann"), text("pro"))).await;
    assert_eq!((rig.requests("writes"), rig.jobs().await), (1, 1));
    let outcomes = rig.submit(&imported(), rows(Value::Null, Value::Null)).await;
    assert!(outcomes.iter().all(is_applied), "{outcomes:?}");
    assert_eq!((rig.requests("writes"), rig.jobs().await), (4, 2), "an import, and two alone");
    let profiles = rig.profiles().await;
    assert_eq!(profiles["a@x.io"], json!({"email": "a@x.io", "plan": "pro", "age": 1}));
    assert_eq!(profiles["b@x.io"], json!({"email": "b@x.io", "first_name": "Bob", "age": 1}));

    // Properties are emptied by name, which an import may take.
    let allowed = target(json!({"api": "import", "unset_by_import": true}));
    rig.submit(&allowed, vec![row("c@x.io", text("Cyd"), Value::Null)]).await;
    assert_eq!((rig.requests("writes"), rig.jobs().await), (5, 3));
    assert!(rig.profiles().await["c@x.io"].get("plan").is_none());
}

#[tokio::test]
async fn a_batch_is_cut_by_the_bytes_of_its_rows() {
    let rig = Rig::start(json!({})).await;
    let row = |n: usize| change(Verb::Upsert, &format!("p{n}@x.io"), &[("note", text(&"x".repeat(90_000)))]);
    let outcomes = rig.submit(&imported(), (0..60).map(row).collect()).await;
    assert!(outcomes.iter().all(is_applied), "{outcomes:?}");
    assert_eq!((rig.jobs().await, rig.profiles().await.len()), (2, 60));
}

#[tokio::test]
async fn what_nobody_knows_is_unknown() {
    for (fault, written) in [
        (json!({"do": "lost_ack", "path": "/api/profile-bulk-import-jobs"}), 1),
        (json!({"do": "garbage", "path": "/api/profile-bulk-import-jobs"}), 1),
        (json!({"do": "status", "code": 500, "path": "/api/profile-bulk-import-jobs/"}), 1),
        (json!({"do": "status", "code": 403, "path": "/api/profile-bulk-import-jobs/"}), 1),
        (json!({"do": "garbage", "path": "/import-errors"}), 1),
        (json!({"do": "status", "code": 404, "path": "/import-errors"}), 1),
    ] {
        let rig = Rig::start(json!({"faults": [fault.clone()]})).await;
        let unknown = match rig.try_submit(&imported(), upserts(3)).await {
            Ok(outcomes) => outcomes.iter().all(is_unknown),
            Err(error) => error.kind == Kind::Ambiguous,
        };
        assert!(unknown, "{fault}");
        assert_eq!(rig.requests("writes"), written, "{fault}: an import is never repeated blindly");
    }
}

#[tokio::test]
async fn a_request_refused_for_named_rows_goes_again_without_them() {
    let rig = Rig::start(json!({})).await;
    let mut changes = upserts(20);
    for place in [4, 11] {
        // A number where the sandbox, as the vendor's description, takes a text.
        changes[place].fields.retain(|field| &*field.name != "email");
    }
    let outcomes = rig.submit(&imported(), changes).await;
    for (place, outcome) in outcomes.iter().enumerate() {
        match [4, 11].contains(&place) {
            true => assert_eq!(rejected(outcome), "invalid"),
            false => assert!(is_applied(outcome), "{place}: {outcome:?}"),
        }
    }
    assert_eq!((rig.requests("writes"), rig.jobs().await), (2, 1));
}

#[tokio::test]
async fn a_request_refused_whole_is_halved_within_bounds() {
    let fault = json!({"do": "status", "code": 422, "path": "/api/profile-bulk-import-jobs"});
    let rig = Rig::start(json!({"faults": [fault]})).await;
    let outcomes = rig.submit(&imported(), upserts(64)).await;
    assert!(
        outcomes.iter().all(|o| matches!(o, Outcome::Rejected { .. } | Outcome::Deferred { .. })),
        "{outcomes:?}"
    );
    assert!(rig.requests("writes") <= 60, "{}", rig.requests("writes"));
    assert!(rig.profiles().await.is_empty());
    let fault = json!({"do": "status", "code": 401, "path": "/api/profile-bulk-import-jobs"});
    let rig = Rig::start(json!({"faults": [fault]})).await;
    let error = rig.try_submit(&imported(), upserts(5)).await.unwrap_err();
    assert_eq!((error.kind, rig.requests("writes")), (Kind::Auth, 1));
}

#[tokio::test]
async fn an_import_that_a_run_left_is_settled_by_its_handle() {
    let fault = json!({"do": "status", "code": 403, "path": "/api/profile-bulk-import-jobs/", "times": 1});
    let rig = Rig::start(json!({"faults": [fault]})).await;
    let kept = Kept::default();
    let mut changes = upserts(6);
    changes[1].destination_key[0].value = Value::Null;
    changes[4] = change(Verb::Upsert, "p4@x.io", &[("plan", text("gold"))]);
    let session = rig.destination.open(&imported(), RunContext::alone("run", "people")).await.unwrap();
    let Submitted::Done(receipt) = session.submit(&changes, &kept).await.unwrap() else { panic!() };
    assert_eq!(receipt.outcomes().iter().filter(|outcome| is_unknown(outcome)).count(), 5);
    assert!(rig.profiles().await.is_empty(), "it is still at work");

    let handle = kept.last().unwrap();
    let bare: Vec<Change> =
        changes.into_iter().map(|change| Change { fields: Vec::new(), ..change }).collect();
    let session = rig.destination.open(&imported(), RunContext::alone("next", "people")).await.unwrap();
    let receipt = session.settle(&handle, &bare).await.unwrap();
    for (place, outcome) in receipt.outcomes().iter().enumerate() {
        match place {
            1 => assert!(is_unknown(outcome), "it was in no import that is known"),
            4 => assert_eq!(rejected(outcome), "invalid"),
            _ => assert!(is_applied(outcome), "{place}: {outcome:?}"),
        }
    }
    assert_eq!((rig.requests("writes"), rig.profiles().await.len()), (1, 4), "settling sends nothing");
    let forgotten = crate::contract::RemoteHandle(handle.0.replace("IMPORT", "EXPORT"));
    let receipt = session.settle(&forgotten, &bare).await.unwrap();
    assert!(receipt.outcomes().iter().all(is_unknown), "{receipt:?}");
}

/// An import at work whose answer was lost, and when it was begun.
async fn with_lost_import() -> (Rig, Timestamp) {
    let lost = json!({"do": "lost_ack", "path": "/api/profile-bulk-import-jobs", "times": 1});
    let rig = Rig::start(json!({"faults": [lost], "import_polls": 3})).await;
    let before = Timestamp::now();
    let old = vec![change(Verb::Upsert, "a@x.io", &[("plan", text("old"))])];
    let error = rig.try_submit(&imported(), old).await.unwrap_err();
    assert_eq!((error.kind, rig.profiles().await.len()), (Kind::Ambiguous, 0));
    (rig, before)
}

#[tokio::test]
async fn an_import_that_nobody_wrote_down_ends_before_anything_is_sent() {
    for (target, reads) in [(imported(), 3 + 1), (target(json!({"api": "profiles"})), 0)] {
        let (rig, before) = with_lost_import().await;
        let unsettled = Some(Window { from: before, to: Timestamp::now() });
        let context = RunContext { unsettled, ..RunContext::alone("next", "people") };
        let session = rig.destination.open(&target, context).await.unwrap();
        let new = vec![change(Verb::Upsert, "a@x.io", &[("plan", text("new"))])];
        let Submitted::Done(receipt) = session.submit(&new, &Kept::default()).await.unwrap() else {
            panic!()
        };
        assert!(is_applied(&receipt.outcomes()[0]), "{receipt:?}");
        // Had the old one not been waited for, it would have been done after the new one.
        assert_eq!(rig.profiles().await["a@x.io"]["plan"], "new");
        assert_eq!(rig.requests("reads"), 1 + 3 + reads);
    }
}

#[tokio::test]
async fn a_lost_import_of_a_batch_ends_before_the_batch_is_settled() {
    let (rig, _) = with_lost_import().await;
    let session = rig.destination.open(&imported(), RunContext::alone("next", "people")).await.unwrap();
    let rows = vec![change(Verb::Upsert, "a@x.io", &[])];
    let receipt = session.settle(&RemoteHandle("[]".to_owned()), &rows).await.unwrap();
    assert!(is_unknown(&receipt.outcomes()[0]), "{receipt:?}");
    assert_eq!(rig.profiles().await["a@x.io"]["plan"], "old", "it is at work no more");
}

#[tokio::test]
async fn a_run_that_ends_leaves_its_import_to_the_next() {
    let rig = Rig::start(json!({"import_polls": 1_000_000})).await;
    let context =
        RunContext { permission: Arc::new(Closing::default()), ..RunContext::alone("run", "people") };
    let session = rig.destination.open(&imported(), context).await.unwrap();
    let kept = Kept::default();
    let Submitted::Done(receipt) = session.submit(&upserts(3), &kept).await.unwrap() else { panic!() };
    assert!(receipt.outcomes().iter().all(is_unknown), "{receipt:?}");
    assert!(kept.last().is_some(), "the next run can ask for it");
}

#[tokio::test]
async fn imported_profiles_are_put_on_the_list() {
    let rig = Rig::start(json!({})).await;
    let target = target(json!({"api": "import", "list": "NEWS"}));
    let mut changes = upserts(3);
    changes[1].fields.push(super::field("title", Value::Null));
    let outcomes = rig.submit(&target, changes).await;
    assert!(outcomes.iter().all(is_applied), "{outcomes:?}");
    let profiles = rig.profiles().await;
    assert!(profiles.values().all(|profile| profile["lists"] == json!(["NEWS"])), "{profiles:?}");
    assert_eq!(rig.requests("writes"), 3, "the import, a profile alone, and its place on the list");
}
