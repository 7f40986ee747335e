//! The connector against the sandbox: two readings of Mailchimp's facts, written apart, must agree.

use serde_json::json;

use super::{LIST, Rig, change, field, known, target, text};
use crate::conformance::support::{is_applied, rejected};
use crate::contract::{
    AccountId, Change, Destination, FieldType, Kind, Lookup, Outcome, Property, Target, Value, Verb,
};
use crate::mailchimp::encode::hash;

#[tokio::test]
async fn a_member_lives_from_upsert_to_removal() {
    let rig = Rig::start(json!({})).await;
    let target = target(&["FNAME", "SINCE", "BIRTHDAY", "HOME", "interests.9143cf3bd1"], json!({}));
    assert_eq!(rig.destination.account().await.unwrap(), AccountId("sandbox".to_owned()));
    let day = |text: &str| Value::Date(text.parse().unwrap());
    let home = json!({"addr1": "1 rue X", "city": "Paris", "state": "IDF", "zip": "75001"});
    let fields = [
        ("FNAME", text("Ann")),
        ("SINCE", day("2026-02-03")),
        ("BIRTHDAY", day("1990-12-09")),
        ("HOME", Value::Json(home.clone())),
        ("interests.9143cf3bd1", Value::Boolean(true)),
    ];
    let outcomes = rig.submit(&target, vec![change(Verb::Upsert, "Ann@x.io", &fields)]).await;
    let id = hash("ann@x.io");
    assert_eq!(outcomes[0], Outcome::Applied { remote_id: Some(id.clone()), created: Some(true) });
    let expected = json!({
        "email_address": "ann@x.io", "status": "subscribed", "FNAME": "Ann", "SINCE": "2026-02-03", "BIRTHDAY": "12/09",
        "HOME": home, "interests": {"9143cf3bd1": true},
    });
    assert_eq!(rig.members().await["ann@x.io"], expected);
    let outcomes = rig.submit(&target, vec![change(Verb::Create, "ann@x.io", &fields)]).await;
    assert_eq!(rejected(&outcomes[0]), "ERROR_CONTACT_EXISTS");
    let cleared = change(Verb::Update, "ann@x.io", &[("SINCE", Value::Null)]);
    assert!(is_applied(&rig.submit(&target, vec![cleared]).await[0]));
    assert!(rig.members().await["ann@x.io"].get("SINCE").is_none());

    // The address changes by the id, and again after an answer that was lost.
    for _ in 0..2 {
        let moved = Change { remote_id: Some(id.clone()), ..change(Verb::Update, "new@x.io", &[]) };
        let outcomes = rig.submit(&target, vec![moved]).await;
        assert_eq!(outcomes[0], Outcome::Applied { remote_id: Some(hash("new@x.io")), created: None });
    }
    assert_eq!(rig.members().await.keys().collect::<Vec<_>>(), ["new@x.io"]);
    let outcomes = rig.submit(&target, vec![change(Verb::Update, "nobody@x.io", &[])]).await;
    assert_eq!(rejected(&outcomes[0]), Outcome::OBJECT_NOT_FOUND);
}

#[tokio::test]
async fn rows_are_refused_one_by_one_whichever_call_they_went_by() {
    for (options, code) in [(json!({}), "ERROR_GENERIC"), (json!({"api": "batches"}), "INVALID_RESOURCE")] {
        let rig = Rig::start(json!({})).await;
        let target = target(&["PLAN", "LTV"], options);
        let row = |email: &str, plan: &str| change(Verb::Upsert, email, &[("PLAN", text(plan))]);
        let rows = vec![
            row("a@x.io", "free"),
            row("b@x.io", "gold"),
            row("nobody", "free"),
            row("foo@x.io", "free"),
            row("", "free"),
        ];
        let outcomes = rig.submit(&target, rows).await;
        assert!(is_applied(&outcomes[0]), "{outcomes:?}");
        assert_eq!(outcomes[1..4].iter().map(rejected).collect::<Vec<_>>(), [code; 3]);
        assert_eq!(rejected(&outcomes[4]), "KEY_EMPTY");
        let Outcome::Rejected { field, .. } = &outcomes[1] else { panic!() };
        assert_eq!(field.as_deref(), Some("PLAN"));
        // One that is there is refused by its own call.
        let outcomes = rig.submit(&target, vec![known(row("a@x.io", "gold"))]).await;
        assert_eq!(rejected(&outcomes[0]), "INVALID_RESOURCE");
        assert_eq!(rig.members().await["a@x.io"]["PLAN"], "free");
    }
}

#[tokio::test]
async fn merge_fields_that_are_required_can_be_left_out_where_that_is_asked_for() {
    let rig =
        Rig::start(json!({"objects": {"members": {"CODE": {"type": "string", "required": true}}}})).await;
    let rows = || vec![change(Verb::Upsert, "a@x.io", &[("FNAME", text("A"))])];
    let strict = target(&["FNAME"], json!({}));
    assert_eq!(rejected(&rig.submit(&strict, rows()).await[0]), "ERROR_GENERIC");
    assert!(rig.destination.catalog(&strict).await.unwrap().get("CODE").unwrap().required);
    let lax = target(&["FNAME"], json!({"skip_merge_validation": true}));
    assert!(is_applied(&rig.submit(&lax, rows()).await[0]));
    assert!(!rig.destination.catalog(&lax).await.unwrap().get("CODE").unwrap().required);
}

#[tokio::test]
async fn a_call_holds_five_hundred_and_members_that_are_there_go_alone() {
    let rig = Rig::start(json!({})).await;
    let target = target(&["FNAME"], json!({"api": "members"}));
    let rows = |name: &str| -> Vec<Change> {
        (0..520).map(|n| change(Verb::Upsert, &format!("p{n}@x.io"), &[("FNAME", text(name))])).collect()
    };
    let outcomes = rig.submit(&target, rows("Ann")).await;
    assert!(outcomes.iter().all(is_applied) && rig.requests("writes") == 2, "{}", rig.requests("writes"));
    let mut changed = rows("Bea");
    changed.truncate(30);
    let outcomes = rig.submit(&target, changed).await;
    assert!(outcomes.iter().all(|o| matches!(o, Outcome::Applied { created: None, .. })));
    assert_eq!(rig.requests("writes"), 2 + 1 + 30);
    assert_eq!(rig.requests("refused"), 0, "never more than ten at once");
    assert_eq!(rig.members().await["p7@x.io"]["FNAME"], "Bea");
}

#[tokio::test]
async fn what_is_removed_is_archived_or_gone_for_good() {
    let rig = Rig::start(json!({})).await;
    let plain = target(&["status"], json!({"status_if_new": "pending"}));
    let gone = target(&["status"], json!({"hard_delete": true}));
    let rows = ["p@x.io", "s@x.io", "c@x.io"].into_iter().zip(["pending", "subscribed", "cleaned"]);
    let rows = rows.map(|(email, status)| change(Verb::Upsert, email, &[("status", text(status))]));
    assert!(rig.submit(&plain, rows.collect()).await.iter().all(is_applied));
    let all =
        || ["p@x.io", "s@x.io", "c@x.io", "no@x.io"].map(|email| change(Verb::Delete, email, &[])).to_vec();
    let outcomes = rig.submit(&plain, all()).await;
    assert_eq!(rejected(&outcomes[0]), "METHOD_NOT_ALLOWED", "it may still confirm");
    assert!(is_applied(&outcomes[1]) && is_applied(&outcomes[3]), "{outcomes:?}");
    assert!(matches!(outcomes[2], Outcome::Skipped { .. }), "{outcomes:?}");
    assert!(is_applied(&rig.submit(&plain, all()).await[1]), "archived already");
    assert!(rig.submit(&gone, all()).await.iter().all(is_applied));
    assert!(rig.members().await.is_empty());
    let again = rig.submit(&plain, vec![change(Verb::Upsert, "s@x.io", &[])]).await;
    let Outcome::Rejected { message, .. } = &again[0] else { panic!("{again:?}") };
    assert!(message.contains("permanently deleted"), "{message}");
}

#[tokio::test]
async fn who_has_a_new_address_is_found_by_it_and_by_no_old_id() {
    let rig = Rig::start(json!({})).await;
    let (plain, vip) = (target(&[], json!({})), target(&[], json!({"tag": "VIP"})));
    let by_old_id =
        |verb| vec![Change { remote_id: Some(hash("old@x.io")), ..change(verb, "new@x.io", &[]) }];
    let applied = Outcome::Applied { remote_id: Some(hash("new@x.io")), created: None };
    rig.submit(&plain, vec![change(Verb::Upsert, "old@x.io", &[])]).await;
    assert_eq!(rig.submit(&plain, by_old_id(Verb::Update)).await, std::slice::from_ref(&applied));
    assert!(is_applied(&rig.submit(&vip, vec![change(Verb::Join, "new@x.io", &[])]).await[0]));
    assert_eq!(rig.members().await["new@x.io"]["tags"], json!(["VIP"]));
    assert_eq!(rig.submit(&vip, by_old_id(Verb::Leave)).await, std::slice::from_ref(&applied));
    assert!(rig.members().await["new@x.io"].get("tags").is_none());
    assert_eq!(rig.submit(&plain, by_old_id(Verb::Delete)).await, [applied]);
    assert_eq!(rig.members().await["new@x.io"]["status"], "archived");
}

#[tokio::test]
async fn a_look_up_finds_who_lives() {
    let rig = Rig::start(json!({})).await;
    let target = target(&[], json!({}));
    rig.submit(&target, ["a@x.io", "b@x.io"].map(|email| change(Verb::Upsert, email, &[])).to_vec()).await;
    rig.submit(&target, vec![change(Verb::Delete, "b@x.io", &[])]).await;
    let keys: Vec<_> = [text("A@x.io"), text("b@x.io"), text("c@x.io"), Value::Null]
        .map(|value| vec![field("email_address", value)])
        .to_vec();
    let found = rig.destination.look_up(&target, &keys).await.unwrap();
    let is_there = Lookup::Found { remote_id: hash("a@x.io") };
    assert_eq!(found, [is_there, Lookup::Absent, Lookup::Absent, Lookup::Unclear]);
}

#[tokio::test]
async fn the_catalogue_is_that_of_the_list() {
    let rig = Rig::start(json!({})).await;
    let catalog = rig.destination.catalog(&target(&["interests.9143cf3bd1"], json!({}))).await.unwrap();
    assert_eq!(catalog.get("LTV").unwrap().kind, FieldType::Number);
    assert_eq!(catalog.get("TIER").unwrap().options, ["free", "pro"]);
    assert!(catalog.get("interests.9143cf3bd1").is_some() && !catalog.open);
    assert!(
        rig.destination
            .catalog(&target(&["FNAME"], json!({})))
            .await
            .unwrap()
            .get("interests.9143cf3bd1")
            .is_none()
    );
    let error = rig.destination.catalog(&target(&[], json!({"list": "ffffffffff"}))).await.unwrap_err();
    assert_eq!(error.kind, Kind::Config);
    assert!(error.message.contains("`ffffffffff`") && error.hint.is_some(), "{error}");
    // Without a mapping: the account's only list.
    let unsaid = Target { object: "members".to_owned(), ..Target::default() };
    assert!(rig.destination.capabilities(&unsaid).is_ok());
    assert!(rig.destination.catalog(&unsaid).await.unwrap().get("LTV").is_some());
    let several = Rig::start(json!({"audiences": {LIST: "One", "b1b2c3d4e5": "Two"}})).await;
    let catalog = several.destination.catalog(&unsaid).await.unwrap();
    assert!(catalog.get("LTV").is_none() && catalog.notes.len() == 2, "{:?}", catalog.notes);
}

#[tokio::test]
async fn merge_fields_are_created_before_the_first_write() {
    let rig = Rig::start(json!({})).await;
    let missing = vec![Property::new("SCORE", FieldType::Integer), Property::new("NOTE", FieldType::String)];
    let target = Target { missing, ..target(&["SCORE", "NOTE"], json!({})) };
    let row = || vec![change(Verb::Upsert, "a@x.io", &[("SCORE", Value::Integer(7)), ("NOTE", text("x"))])];
    for _ in 0..2 {
        assert!(is_applied(&rig.submit(&target, row()).await[0]));
    }
    assert_eq!(rig.members().await["a@x.io"]["SCORE"], 7);
    let wrong = vec![Property::new("FNAME", FieldType::Number), Property::new("LTV", FieldType::Date)];
    let error = rig.try_submit(&Target { missing: wrong, ..target.clone() }, row()).await.unwrap_err();
    assert_eq!(error.code.as_deref(), Some("MERGE_FIELD_TYPE_MISMATCH"));
}

#[tokio::test]
async fn an_eleventh_request_at_once_is_refused_and_ours_are_fewer() {
    let slow = json!([{"do": "delay", "ms": 2000, "path": "/ping"}]);
    let rig = Rig::start(json!({"faults": slow})).await;
    let url = format!("{}/mailchimp/3.0/ping", rig.sandbox.url());
    let asked = (0..14).map(|_| reqwest::Client::new().get(&url).basic_auth("any", Some("key")).send());
    let answers = futures_util::future::join_all(asked).await;
    let codes: Vec<u16> = answers.into_iter().map(|answer| answer.unwrap().status().as_u16()).collect();
    assert!(codes.contains(&429) && codes.contains(&200), "{codes:?}");
    assert!(codes.iter().filter(|code| **code == 200).count() >= 10, "{codes:?}");
    // Twenty members, each by itself, while every answer takes its time.
    let slow = json!([{"do": "delay", "ms": 20, "path": "/members/"}]);
    let rig = Rig::start(json!({"faults": slow})).await;
    let rows =
        |name| (0..20).map(move |n| change(Verb::Upsert, &format!("p{n}@x.io"), &[("FNAME", text(name))]));
    let target = target(&["FNAME"], json!({}));
    assert!(rig.submit(&target, rows("Ann").collect()).await.iter().all(is_applied));
    assert!(rig.submit(&target, rows("Bea").map(known).collect()).await.iter().all(is_applied));
    assert_eq!(rig.requests("refused"), 0);
}
