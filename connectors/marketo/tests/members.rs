//! Members of a list.

use serde_json::json;

use super::{BEST, NEWS, Rig, change, is_applied, letters, members_of, rejected, target, upserts};
use crate::contract::{Change, Kind, Outcome, Verb};

fn rows(verb: Verb, count: usize) -> Vec<Change> {
    (0..count).map(|n| change(verb, &format!("p{n}@x.io"), &[])).collect()
}

#[tokio::test]
async fn only_leads_that_are_there_are_put_on_and_none_is_made() {
    let rig = Rig::start(json!({})).await;
    assert!(
        rig.submit(&target(json!({"list": BEST, "api": "leads"})), upserts(400)).await.iter().all(is_applied)
    );
    let before = rig.requests("writes");
    let mut joins = rows(Verb::Join, 400);
    joins[150] = change(Verb::Join, "nobody@x.io", &[]);
    joins[151] = change(Verb::Join, "", &[]);
    joins[152] = change(Verb::Join, "a,b@x.io", &[]);
    joins[153] = change(Verb::Join, "P153@X.io", &[]);
    let outcomes = rig.submit(&members_of(NEWS), joins).await;
    for (number, outcome) in outcomes.iter().enumerate() {
        match number {
            150 => assert_eq!(rejected(outcome), Outcome::OBJECT_NOT_FOUND),
            151 => assert_eq!(rejected(outcome), "KEY_EMPTY"),
            152 => assert_eq!(rejected(outcome), "KEY_NOT_SEARCHABLE"),
            _ => assert!(is_applied(outcome), "{number}: {outcome:?}"),
        }
    }
    assert_eq!(rig.requests("writes") - before, 2, "300 in a call");
    let leads = rig.leads().await;
    let on = leads.values().filter(|lead| lead["static_lists"] == json!([BEST, NEWS])).count();
    assert_eq!((on, leads.len()), (397, 400));
    let mut leaves = rows(Verb::Leave, 3);
    leaves.push(change(Verb::Leave, "nobody@x.io", &[]));
    for _ in 0..2 {
        assert_eq!(letters(&rig.submit(&members_of(NEWS), leaves.clone()).await), "aaaa");
    }
    assert_eq!(rig.leads().await["p0@x.io"]["static_lists"], json!([BEST]));
}

#[tokio::test]
async fn a_list_takes_no_fields() {
    let rig = Rig::start(json!({})).await;
    let error = rig.try_submit(&target(json!({"list": NEWS})), rows(Verb::Join, 1)).await.unwrap_err();
    assert!(error.kind == Kind::Config && error.message.contains("`firstName`"), "{error}");
    assert_eq!(rig.requests("writes"), 0);
}

#[tokio::test]
async fn a_look_up_that_is_refused_costs_its_key_alone() {
    let rig = Rig::start(json!({})).await;
    rig.submit(&target(json!({})), upserts(2)).await;
    let fault = json!({"do": "status", "code": 500, "path": "/rest/v1/leads.json"});
    let down = Rig::start(json!({"faults": [fault]})).await;
    let error = down.try_submit(&members_of(NEWS), rows(Verb::Join, 3)).await.unwrap_err();
    assert_eq!((error.kind, down.requests("writes")), (Kind::Unavailable, 0), "nothing was done");
    // A remote id needs no look-up.
    let id = rig.shown("leads").await[0]["id"].as_str().unwrap().to_owned();
    let mut known = change(Verb::Join, "moved@x.io", &[]);
    known.remote_id = Some(id);
    let reads = rig.requests("reads");
    assert_eq!(letters(&rig.submit(&members_of(NEWS), vec![known]).await), "a");
    assert_eq!(rig.requests("reads"), reads);
}
