//! Removals: leads that are deleted, and leads that are unsubscribed.

use serde_json::json;

use super::{Rig, change, field, id_of, letters, rejected, target, text, upserts};
use crate::contract::{Change, DeleteKind, Destination, Outcome, Target, Verb};

fn removals(count: usize) -> Vec<Change> {
    (0..count).map(|n| change(Verb::Delete, &format!("p{n}@x.io"), &[])).collect()
}

#[tokio::test]
async fn a_lead_is_deleted_by_its_id_and_who_is_not_there_is_gone() {
    let rig = Rig::start(json!({})).await;
    assert_eq!(rig.marketo.capabilities(&target(json!({}))).unwrap().deletes, DeleteKind::Hard);
    let made = rig.submit(&target(json!({"api": "leads"})), upserts(400)).await;
    let mut changes = removals(400);
    changes[3].remote_id = Some(id_of(&made[3]));
    changes[4] = change(Verb::Delete, "nobody@x.io", &[]);
    changes[5].remote_id = Some("999999".to_owned());
    let before = rig.requests("writes");
    assert_eq!(letters(&rig.submit(&target(json!({})), changes.clone()).await), "a".repeat(400));
    assert_eq!((rig.requests("writes") - before, rig.leads().await.len()), (2, 2));
    assert_eq!(letters(&rig.submit(&target(json!({})), removals(2)).await), "aa", "a second time, too");
}

#[tokio::test]
async fn a_key_that_several_leads_have_removes_none_of_them() {
    let rig = Rig::start(json!({})).await;
    let shared = |email: &str| change(Verb::Upsert, email, &[("customerId", text("C7"))]);
    let fields = vec!["email".to_owned(), "customerId".to_owned()];
    let by_mail = Target { fields: fields.clone(), ..target(json!({})) };
    rig.submit(&by_mail, vec![shared("a@x.io"), shared("b@x.io")]).await;
    let by_id = Target { match_on: vec!["customerId".to_owned()], fields, ..target(json!({})) };
    let keyed = |verb| Change {
        verb,
        destination_key: vec![field("customerId", text("c7"))],
        remote_id: None,
        fields: vec![],
    };
    let outcomes = rig.submit(&by_id, vec![keyed(Verb::Delete)]).await;
    assert_eq!(rejected(&outcomes[0]), "SEVERAL_LEADS");
    let outcomes = rig.submit(&by_id, vec![keyed(Verb::Update)]).await;
    assert_eq!((rejected(&outcomes[0]), rig.leads().await.len()), ("1007", 2));
}

#[tokio::test]
async fn a_lead_that_is_unsubscribed_stays() {
    let rig = Rig::start(json!({})).await;
    let unsubscribing = target(json!({"deletion": "unsubscribe"}));
    assert_eq!(rig.marketo.capabilities(&unsubscribing).unwrap().deletes, DeleteKind::Archive);
    let made = rig.submit(&unsubscribing, upserts(3)).await;
    let mut changes = removals(4);
    changes[1].remote_id = Some(id_of(&made[1]));
    for _ in 0..2 {
        assert_eq!(letters(&rig.submit(&unsubscribing, changes.clone()).await), "aaaa");
    }
    let leads = rig.leads().await;
    let marked = |email: &str| leads[email]["unsubscribed"] == true;
    assert_eq!((leads.len(), marked("p0@x.io"), marked("p1@x.io")), (3, true, true));
    assert_eq!(leads["p0@x.io"]["firstName"], "Zoë, \"Z\"", "nothing else of it changes");
}

#[tokio::test]
async fn a_lead_whose_id_is_known_needs_no_key() {
    for (options, left) in [(json!({}), 1), (json!({"deletion": "unsubscribe"}), 2)] {
        let rig = Rig::start(json!({})).await;
        let target = target(options);
        let made = rig.submit(&target, upserts(2)).await;
        let mut lost = change(Verb::Delete, "", &[]);
        lost.remote_id = Some(id_of(&made[1]));
        assert_eq!(letters(&rig.submit(&target, vec![lost.clone()]).await), "a");
        lost.destination_key.clear();
        assert_eq!(letters(&rig.submit(&target, vec![lost]).await), "a", "a second time, too");
        let leads = rig.leads().await;
        let stays = leads.get("p1@x.io").map(|lead| lead["unsubscribed"] == true);
        assert_eq!((leads.len(), stays), (left, (left == 2).then_some(true)));
    }
}

#[tokio::test]
async fn a_removal_that_is_refused_is_refused_by_its_row() {
    let rig = Rig::start(json!({})).await;
    rig.submit(&target(json!({})), upserts(1)).await;
    let fault = json!({"do": "status", "code": 403, "path": "/leads/delete.json"});
    let down = Rig::start(json!({"faults": [fault]})).await;
    down.submit(&target(json!({})), upserts(1)).await;
    let error = down.try_submit(&target(json!({})), removals(1)).await.unwrap_err();
    assert_eq!(error.kind, crate::contract::Kind::Auth);
    let outcomes = rig.submit(&target(json!({})), vec![change(Verb::Delete, "", &[])]).await;
    assert!(matches!(&outcomes[0], Outcome::Rejected { code, .. } if code == "KEY_EMPTY"));
}
