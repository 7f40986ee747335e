//! Members of a list.

use serde_json::json;

use super::{Rig, change, id_of, is_applied, rejected, target};
use crate::contract::{Change, Target, Verb};

fn members() -> Target {
    Target { fields: vec!["email".to_owned()], ..target(json!({"list": 4})) }
}

#[tokio::test]
async fn only_contacts_that_are_there_are_put_on_and_each_by_itself() {
    let rig = Rig::start(json!({})).await;
    let there: Vec<Change> = (0..200).map(|n| change(Verb::Upsert, &format!("p{n}@x.io"), &[])).collect();
    let ids: Vec<String> = rig.submit(&target(json!({})), there).await.iter().map(id_of).collect();
    let before = rig.requests("writes");
    let mut joins: Vec<Change> = (0..200).map(|n| change(Verb::Join, &format!("p{n}@x.io"), &[])).collect();
    joins[150] = change(Verb::Join, "nobody@x.io", &[]);
    joins[151] = change(Verb::Join, "", &[]);
    let outcomes = rig.submit(&members(), joins).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        match number {
            150 => assert_eq!(rejected(outcome), "OBJECT_NOT_FOUND"),
            151 => assert_eq!(rejected(outcome), "KEY_EMPTY"),
            _ => assert!(is_applied(outcome), "{number}: {outcome:?}"),
        }
    }
    assert_eq!(rig.requests("writes") - before, 2, "150 in one call");
    let on = |contacts: &serde_json::Map<String, serde_json::Value>| {
        contacts.values().filter(|contact| contact["listIds"] == json!([4])).count()
    };
    assert_eq!(on(&rig.contacts().await), 198);

    // By id: the address may have changed. One that is not on the list leaves it all the same.
    let leave = |n: usize| Change { remote_id: Some(ids[n].clone()), ..change(Verb::Leave, "old@x.io", &[]) };
    let outcomes =
        rig.submit(&members(), vec![leave(0), leave(150), change(Verb::Leave, "p1@x.io", &[])]).await;
    assert!(outcomes.iter().all(is_applied), "{outcomes:?}");
    assert_eq!(on(&rig.contacts().await), 196);
    // None of these can be changed, and Brevo refuses the call whole.
    let joins = vec![change(Verb::Join, "p2@x.io", &[]), change(Verb::Join, "no@x.io", &[])];
    let outcomes = rig.submit(&members(), joins).await;
    assert!(is_applied(&outcomes[0]) && rejected(&outcomes[1]) == "OBJECT_NOT_FOUND", "{outcomes:?}");
}

#[tokio::test]
async fn a_key_for_which_a_call_is_refused_whole_costs_itself() {
    let rig = Rig::start(json!({})).await;
    let there: Vec<Change> = (0..6).map(|n| change(Verb::Upsert, &format!("p{n}@x.io"), &[])).collect();
    assert!(rig.submit(&target(json!({})), there).await.iter().all(is_applied));
    let mut joins: Vec<Change> = (0..6).map(|n| change(Verb::Join, &format!("p{n}@x.io"), &[])).collect();
    joins.insert(1, change(Verb::Join, "no address", &[]));
    let outcomes = rig.submit(&members(), joins).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        match number {
            1 => assert_eq!(rejected(outcome), "invalid_parameter"),
            _ => assert!(is_applied(outcome), "{number}: {outcome:?}"),
        }
    }
    assert!(rig.contacts().await.values().all(|contact| contact["listIds"] == json!([4])));
}
