//! Members of a list.

use serde_json::json;

use super::{BEST, NEWS, Rig, change, is_applied, letters, rejected, target};
use crate::contract::{Change, Target, Verb};

fn members() -> Target {
    Target { fields: vec!["email".to_owned()], ..target(json!({"list": NEWS})) }
}

fn rows(verb: Verb, count: usize) -> Vec<Change> {
    (0..count).map(|n| change(verb, &format!("p{n}@x.io"), &[])).collect()
}

#[tokio::test]
async fn only_contacts_that_are_there_are_put_on_and_what_is_on_stays() {
    let rig = Rig::start(json!({})).await;
    let there = rig.submit(&target(json!({"lists": [BEST]})), rows(Verb::Upsert, 230)).await;
    assert!(there.iter().all(is_applied));
    let before = (rig.requests("writes"), rig.requests("reads"));
    let mut joins = rows(Verb::Join, 230);
    joins[150] = change(Verb::Join, "nobody@x.io", &[]);
    joins[151] = change(Verb::Join, "", &[]);
    joins[152] = change(Verb::Join, "no address", &[]);
    let outcomes = rig.submit(&members(), joins.clone()).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        match number {
            150 => assert_eq!(rejected(outcome), "OBJECT_NOT_FOUND"),
            152 => assert_eq!(rejected(outcome), "INVALID_REQUEST"),
            151 => assert_eq!(rejected(outcome), "KEY_EMPTY"),
            _ => assert!(is_applied(outcome), "{number}: {outcome:?}"),
        }
    }
    assert_eq!(rig.requests("writes") - before.0, 1, "all in one call");
    let on = |contacts: &serde_json::Map<String, serde_json::Value>| {
        contacts.values().filter(|contact| contact["list_ids"] == json!([BEST, NEWS])).count()
    };
    let contacts = rig.contacts().await;
    assert_eq!((on(&contacts), contacts.len()), (227, 230), "no contact was made");
    // Nobody is put on twice.
    let before = rig.requests("writes");
    assert!(rig.submit(&members(), rows(Verb::Join, 100)).await.iter().all(is_applied));
    assert_eq!(rig.requests("writes"), before);
    let mut leaves = rows(Verb::Leave, 120);
    leaves.push(change(Verb::Leave, "nobody@x.io", &[]));
    assert!(rig.submit(&members(), leaves.clone()).await.iter().all(is_applied));
    assert_eq!((rig.requests("writes") - before, on(&rig.contacts().await)), (2, 107), "a hundred in a call");
    assert!(rig.submit(&members(), leaves).await.iter().all(is_applied));
    assert_eq!(rig.requests("writes") - before, 2);
}

#[tokio::test]
async fn one_that_left_is_seen_to_be_off_where_its_job_cannot_be_asked_for() {
    let gone = json!({"do": "status", "code": 404, "path": "/contacts/imports/"});
    let block = json!({"job_polls": 0, "faults": [gone]});
    let rig = Rig::start(block).await;
    // Nothing is known of the contact's own job, but it is there.
    assert_eq!(letters(&rig.submit(&target(json!({"lists": [NEWS]})), rows(Verb::Upsert, 1)).await), "u");
    assert_eq!(letters(&rig.submit(&members(), rows(Verb::Leave, 1)).await), "a");
    assert_eq!(rig.contacts().await["p0@x.io"]["list_ids"], json!([]));
    assert_eq!(letters(&rig.submit(&members(), rows(Verb::Join, 1)).await), "u");
}

#[tokio::test]
async fn a_search_that_is_refused_proves_nobody_gone() {
    let refused = json!({"do": "status", "code": 400, "path": "/search/identifiers"});
    let rig = Rig::start(json!({"job_polls": 0, "faults": [refused]})).await;
    assert_eq!(letters(&rig.submit(&target(json!({"lists": [NEWS]})), rows(Verb::Upsert, 3)).await), "aaa");
    let before = rig.requests("writes");
    for (target, verb) in
        [(target(json!({})), Verb::Delete), (members(), Verb::Leave), (members(), Verb::Join)]
    {
        let outcomes = rig.submit(&target, rows(verb, 3)).await;
        assert_eq!(
            (letters(&outcomes).as_str(), rejected(&outcomes[2])),
            ("rrr", "INVALID_REQUEST"),
            "{verb}"
        );
    }
    assert_eq!((rig.requests("writes") - before, rig.contacts().await.len()), (0, 3));
}
