//! Batches that are ended by a failure that is not about a row, and calls whose answer is lost.

use serde_json::{Value as Json, json};

use super::{Rig, change, known, stopped, target, text};
use crate::conformance::support::is_applied;
use crate::contract::{Change, Kind, Outcome, Value, Verb};
use crate::mailchimp::encode::hash;

fn rows(verb: Verb, count: usize, fields: &[(&str, Value)]) -> Vec<Change> {
    (0..count).map(|n| change(verb, &format!("p{n}@x.io"), fields)).collect()
}

/// Twenty members, of whom one can be written by no call of its own.
async fn half_refused() -> Rig {
    let path = format!("/members/{}", hash("p10@x.io"));
    let rig = Rig::start(json!({"faults": [{"do": "status", "code": 401, "path": path}]})).await;
    let made = rig.submit(&target(&[], json!({})), rows(Verb::Upsert, 20, &[])).await;
    assert!(made.iter().all(is_applied), "{made:?}");
    rig
}

/// Faults at calls for many members alone: one that does nothing strikes all others.
fn at_many(faults: &[Json]) -> Json {
    let mut all = vec![json!({"do": "delay", "ms": 0, "path": "/members"})];
    all.extend_from_slice(faults);
    json!({"faults": all})
}

#[tokio::test]
async fn a_key_that_is_refused_half_way_ends_the_run() {
    for (verb, options) in [
        (Verb::Upsert, json!({})),
        (Verb::Update, json!({})),
        (Verb::Delete, json!({})),
        (Verb::Join, json!({"tag": "VIP"})),
        (Verb::Leave, json!({"tag": "VIP"})),
    ] {
        let rig = half_refused().await;
        let mut changes = rows(verb, 20, &[]);
        if verb == Verb::Upsert {
            changes = changes.into_iter().map(known).collect();
        }
        let outcomes = stopped(rig.submitted(&target(&[], options), changes).await);
        assert!(outcomes.iter().any(is_applied), "{verb}: {outcomes:?}");
        assert!(matches!(outcomes[10], Outcome::Deferred { .. }), "{verb}: {outcomes:?}");
        let is_open = |o: &Outcome| matches!(o, Outcome::Deferred { .. }) || is_applied(o);
        assert!(outcomes.iter().all(is_open), "{verb}: {outcomes:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_refused_between_two_calls_for_many_ends_the_run() {
    // The first call is let through.
    let first = json!({"do": "delay", "ms": 0, "path": "/lists/", "times": 1});
    let later = json!({"do": "status", "code": 401, "path": "/lists/"});
    let rig = Rig::start(at_many(&[first, later])).await;
    let to = target(&[], json!({"api": "members"}));
    let outcomes = stopped(rig.submitted(&to, rows(Verb::Upsert, 520, &[])).await);
    assert!(outcomes[..500].iter().all(is_applied));
    assert!(outcomes[500..].iter().all(|o| matches!(o, Outcome::Deferred { .. })));
}

#[tokio::test]
async fn no_tag_is_sent_once_the_key_was_refused() {
    let rig = half_refused().await;
    let fields = [("tags", Value::List(vec![text("a")]))];
    let changes = rows(Verb::Upsert, 20, &fields).into_iter().map(known).collect();
    let outcomes = stopped(rig.submitted(&target(&["tags"], json!({})), changes).await);
    assert!(matches!(outcomes[10], Outcome::Deferred { .. }), "{outcomes:?}");
    let untagged = |o: &Outcome| matches!(o, Outcome::Unknown { reason } if reason.contains("tags"));
    assert!(outcomes.iter().any(untagged) && !outcomes.iter().any(is_applied), "{outcomes:?}");
    assert!(rig.members().await.values().all(|member| member.get("tags").is_none()));

    let rig = Rig::start(json!({"faults": [{"do": "status", "code": 401, "path": "/tags"}]})).await;
    let outcomes = rig.submitted(&target(&["tags"], json!({})), rows(Verb::Upsert, 3, &fields)).await;
    assert!(stopped(outcomes).iter().all(untagged), "members that were written are an effect");
}

#[tokio::test]
async fn a_call_for_many_whose_answer_is_lost_claims_nothing() {
    let lost = || at_many(&[json!({"do": "lost_ack", "path": "/lists/", "times": 1})]);
    let to = target(&[], json!({}));
    // The second call names them as members that are there: whether they are new is not known.
    let rig = Rig::start(lost()).await;
    let outcomes = rig.submit(&to, rows(Verb::Upsert, 2, &[])).await;
    let is_open = |o: &Outcome| matches!(o, Outcome::Applied { created: None, .. });
    assert!(outcomes.iter().all(is_open), "{outcomes:?}");
    assert_eq!(rig.requests("writes"), 2 + 2, "the call twice, then each member");
    // A create is not sent again.
    let rig = Rig::start(lost()).await;
    let error = rig.try_submit(&to, rows(Verb::Create, 2, &[])).await.unwrap_err();
    assert_eq!((error.kind, rig.requests("writes")), (Kind::Ambiguous, 1), "{error:?}");
    assert_eq!(rig.members().await.len(), 2);
}

#[tokio::test]
async fn a_key_that_is_refused_at_the_look_at_the_archived_costs_one_request() {
    let rig = Rig::start(json!({"faults": [{"do": "status", "code": 401, "path": "/members"}]})).await;
    let error = rig.try_submit(&target(&[], json!({})), rows(Verb::Upsert, 2, &[])).await.unwrap_err();
    assert_eq!((error.kind, rig.requests("reads"), rig.requests("writes")), (Kind::Auth, 1, 0), "{error:?}");
}
