//! Tags: those of a row, and one as an audience.

use serde_json::json;

use super::{Rig, change, target, text};
use crate::conformance::support::{is_applied, rejected};
use crate::contract::{Change, Outcome, Value, Verb};

fn tagged(verb: Verb, tags: &[&str]) -> Vec<Change> {
    let tags = Value::List(tags.iter().map(|tag| text(tag)).collect());
    vec![change(verb, "ann@x.io", &[("tags", tags)])]
}

#[tokio::test]
async fn tags_are_added_and_taken_off_only_where_they_are_kept_to() {
    let rig = Rig::start(json!({})).await;
    let (adds, keeps) = (target(&["tags"], json!({})), target(&["tags"], json!({"sync_tags": true})));
    for (target, verb, tags, expected) in [
        (&adds, Verb::Upsert, &["b", "a"][..], json!(["a", "b"])),
        (&adds, Verb::Upsert, &["c"], json!(["a", "b", "c"])),
        (&adds, Verb::Upsert, &[], json!(["a", "b", "c"])),
        (&keeps, Verb::Upsert, &["c", "d"], json!(["c", "d"])),
        (&keeps, Verb::Update, &["C"], json!(["C"])),
        (&keeps, Verb::Upsert, &[], json!([])),
    ] {
        let outcomes = rig.submit(target, tagged(verb, tags)).await;
        assert!(is_applied(&outcomes[0]), "{outcomes:?}");
        assert_eq!(rig.members().await["ann@x.io"].get("tags").cloned().unwrap_or(json!([])), expected);
    }
}

#[tokio::test]
async fn a_member_without_its_tags_is_not_known_to_be_as_it_was_sent() {
    for code in [400, 401, 503] {
        let rig = Rig::start(json!({"faults": [{"do": "status", "code": code, "path": "/tags"}]})).await;
        let outcomes = rig.submit(&target(&["tags"], json!({})), tagged(Verb::Upsert, &["a"])).await;
        assert!(
            matches!(&outcomes[0], Outcome::Unknown { reason } if reason.contains("tags")),
            "{code}: {outcomes:?}"
        );
        assert!(rig.members().await.contains_key("ann@x.io"));
    }
}

#[tokio::test]
async fn a_tag_is_an_audience_of_members_that_are_there() {
    let rig = Rig::start(json!({})).await;
    let there: Vec<Change> = (0..30).map(|n| change(Verb::Upsert, &format!("p{n}@x.io"), &[])).collect();
    assert!(rig.submit(&target(&[], json!({})), there).await.iter().all(is_applied));
    let vip = target(&[], json!({"tag": "VIP"}));
    let mut joins: Vec<Change> = (0..30).map(|n| change(Verb::Join, &format!("p{n}@x.io"), &[])).collect();
    joins[7] = change(Verb::Join, "nobody@x.io", &[]);
    joins[8] = change(Verb::Join, "", &[]);
    let outcomes = rig.submit(&vip, joins).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        match number {
            7 => assert_eq!(rejected(outcome), Outcome::OBJECT_NOT_FOUND),
            8 => assert_eq!(rejected(outcome), "KEY_EMPTY"),
            _ => assert!(is_applied(outcome), "{number}: {outcome:?}"),
        }
    }
    let leaves = ["p0@x.io", "p8@x.io", "nobody@x.io"].map(|email| change(Verb::Leave, email, &[]));
    assert!(rig.submit(&vip, leaves.to_vec()).await.iter().all(is_applied));
    let members = rig.members().await;
    let tagged = members.values().filter(|member| member["tags"] == json!(["VIP"])).count();
    assert_eq!((members.len(), tagged), (30, 27));
    assert!(members.values().all(|member| member["status"] == "subscribed"), "no status is touched");
}
