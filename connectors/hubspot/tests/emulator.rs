//! The connector against the sandbox: two readings of HubSpot's facts, written apart, must agree.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{change, connected, field, hubspot, is_applied, rejected, submit, target};
use crate::contract::{AccountId, Change, Destination, FieldType, Kind, Lookup, Outcome, Target, Verb};
use crate::hubspot::HubSpot;
use crate::sandbox::{Sandbox, SandboxConfig, Storage, show};

pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A running sandbox and a connection to it.
pub(super) struct Rig {
    folder: TempDir,
    pub(super) sandbox: Sandbox,
    pub(super) hubspot: HubSpot,
}

impl Rig {
    /// Declares `plan`, refuses the first name `Mallory`, and breaks what `faults` say.
    async fn start(faults: Json) -> Rig {
        Self::with(json!({"faults": faults}), PATIENCE).await
    }

    pub(super) async fn with(mut block: Json, timeout: Duration) -> Rig {
        block["objects"] = json!({"contacts": {
            "plan": {"enum": ["A", "B"]},
            "code": {"type": "string", "unique": true},
            "nickname": {"type": "string", "refuse": "Mallory"},
        }});
        let mut config = SandboxConfig::default();
        config.add("hubspot", &block).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sandbox.db");
        let sandbox = Sandbox::start(config, Storage::File(file), 0).await.unwrap();
        let hubspot = hubspot(&format!("{}/hubspot", sandbox.url()), true, timeout);
        Rig { folder, sandbox, hubspot }
    }

    pub(super) fn shown(&self) -> Json {
        show(&self.folder.path().join("sandbox.db")).unwrap()
    }

    /// The contacts that are not archived, by e-mail.
    fn emails(&self) -> Vec<String> {
        let shown = self.shown();
        let contacts = shown["objects"]["hubspot"]["contacts"].as_array().cloned().unwrap_or_default();
        let live = contacts.iter().filter(|c| c["archived"] == false);
        live.map(|c| c["properties"]["email"].as_str().unwrap().to_owned()).collect()
    }
}

fn upserts(emails: &[&str]) -> Vec<Change> {
    emails.iter().map(|email| change(Verb::Upsert, email, None)).collect()
}

fn id_of(outcome: &Outcome) -> (String, Option<bool>) {
    match outcome {
        Outcome::Applied { remote_id: Some(id), created } => (id.clone(), *created),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_record_lives_from_upsert_to_archive() {
    let rig = Rig::start(json!([])).await;
    let hubspot = &rig.hubspot;
    assert_eq!(hubspot.account().await.unwrap(), AccountId("sandbox".to_owned()));
    let emails = ["ann@example.com", "bob@example.com"];
    let first = submit(hubspot, upserts(&emails)).await.unwrap();
    let again = submit(hubspot, upserts(&emails)).await.unwrap();
    for (first, again) in first.iter().zip(&again) {
        let (id, created) = id_of(first);
        assert_eq!(created, Some(true));
        assert_eq!(id_of(again), (id, Some(false)));
    }
    assert_eq!(rig.emails(), emails);

    // The e-mail is corrected on the object that is known by its id.
    let id = id_of(&first[0]).0;
    let corrected = submit(hubspot, vec![change(Verb::Update, "anne@example.com", Some(&id))]).await.unwrap();
    assert_eq!(id_of(&corrected[0]).0, id);
    let keys = ["anne@example.com", "ann@example.com"].map(|k| vec![field("email", k)]);
    let found = hubspot.look_up(&target(), &keys).await.unwrap();
    assert_eq!(found, [Lookup::Found { remote_id: id.clone() }, Lookup::Absent]);

    let removals = vec![
        change(Verb::Delete, "anne@example.com", Some(&id)),
        change(Verb::Delete, "bob@example.com", None),
        change(Verb::Delete, "nobody@example.com", None),
    ];
    for _ in 0..2 {
        let outcomes = submit(hubspot, removals.clone()).await.unwrap();
        assert!(outcomes.iter().all(is_applied), "{outcomes:?}");
        assert!(rig.emails().is_empty());
    }
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn a_bad_row_costs_itself() {
    let rig = Rig::start(json!([])).await;
    let mut changes = upserts(&["ann@example.com", "not an address", "cleo@example.com", "dan@example.com"]);
    changes[2].fields.push(field("plan", "C"));
    changes[3].fields.push(field("nickname", "Mallory"));
    let outcomes = submit(&rig.hubspot, changes).await.unwrap();
    assert!(is_applied(&outcomes[0]), "{outcomes:?}");
    for (outcome, expected) in outcomes[1..].iter().zip(["email", "plan", "nickname"]) {
        let Outcome::Rejected { code, field, message } = outcome else { panic!("{outcome:?}") };
        assert_eq!(field.as_deref(), Some(expected), "{code}: {message}");
        assert!(!message.is_empty() && !message.contains("[{"), "{message}");
    }
    assert_eq!(rejected(&outcomes[1]), "INVALID_EMAIL");
    assert_eq!(rejected(&outcomes[2]), "INVALID_OPTION");
    assert_eq!(rig.emails(), ["ann@example.com"]);
    assert_eq!(rig.hubspot.traffic().writes, 1);

    let gone =
        vec![change(Verb::Update, "ann@example.com", None), change(Verb::Update, "zoe@example.com", None)];
    let outcomes = submit(&rig.hubspot, gone).await.unwrap();
    assert!(is_applied(&outcomes[0]), "{outcomes:?}");
    assert_eq!(rejected(&outcomes[1]), "OBJECT_NOT_FOUND");
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn a_create_that_meets_its_own_object_is_done_and_one_that_meets_anothers_changes_nothing() {
    for errors in ["rows", "whole"] {
        let rig = Rig::with(json!({"errors": errors}), PATIENCE).await;
        let there = ["ann@example.com", "bob@example.com"];
        let first = submit(&rig.hubspot, upserts(&there)).await.unwrap();
        let mut creates: Vec<Change> =
            ["cleo@example.com", "Ann@example.com", "bob@example.com", "dan@example.com"]
                .map(|email| change(Verb::Create, email, None))
                .to_vec();
        creates[2].fields[1] = field("firstname", "Robert");
        let outcomes = submit(&rig.hubspot, creates).await.unwrap();
        assert_eq!(id_of(&outcomes[1]), (id_of(&first[0]).0, None), "{errors}: {outcomes:?}");
        assert_eq!(rejected(&outcomes[2]), "CONFLICT");
        assert!(is_applied(&outcomes[0]) && is_applied(&outcomes[3]), "{errors}: {outcomes:?}");
        let contacts = rig.shown()["objects"]["hubspot"]["contacts"].clone();
        let names: Vec<&Json> =
            contacts.as_array().unwrap().iter().map(|c| &c["properties"]["firstname"]).collect();
        assert_eq!(names, ["Ann"; 4], "{errors}");
        assert_eq!(rig.hubspot.traffic().writes, if errors == "rows" { 2 } else { 3 }, "{errors}");
        rig.sandbox.stop().await;
    }
}

#[tokio::test]
async fn any_unique_property_is_a_key() {
    let rig = Rig::start(json!([])).await;
    let by_code = Target { match_on: vec!["code".to_owned()], ..target() };
    let catalog = rig.hubspot.catalog(&by_code).await.unwrap();
    assert!(catalog.get("code").unwrap().unique && catalog.get("email").unwrap().unique);
    assert_eq!(catalog.get("plan").unwrap().options, ["A", "B"]);
    assert_eq!(catalog.get("plan").unwrap().kind, FieldType::String);
    let unknown = rig.hubspot.catalog(&Target { object: "pets".to_owned(), ..target() }).await.unwrap_err();
    assert_eq!(unknown.kind, Kind::Config, "{unknown:?}");
    assert!(unknown.message.contains("`pets`"), "{unknown}");
    let coded = |code: &str| Change {
        destination_key: vec![field("code", code)],
        fields: vec![field("code", code), field("email", &format!("{code}@example.com"))],
        ..change(Verb::Upsert, "", None)
    };
    let first = submit(&rig.hubspot, vec![coded("X1"), coded("x2")]).await.unwrap();
    let again = submit(&rig.hubspot, vec![coded("x2"), coded("X1")]).await.unwrap();
    assert_eq!(id_of(&first[0]).0, id_of(&again[1]).0);
    assert_eq!(id_of(&first[1]).0, id_of(&again[0]).0);
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn lost_and_broken_answers_make_no_second_object() {
    for fault in ["lost_ack", "truncate", "garbage"] {
        let rig = Rig::start(json!([{"do": fault, "times": 2}])).await;
        let outcomes = submit(&rig.hubspot, upserts(&["ann@example.com"])).await.unwrap();
        assert!(is_applied(&outcomes[0]), "{fault}: {outcomes:?}");
        assert_eq!(rig.emails(), ["ann@example.com"], "{fault}");
        assert_eq!((rig.hubspot.traffic().writes, rig.hubspot.traffic().retries), (3, 2), "{fault}");
        rig.sandbox.stop().await;
    }
}

#[tokio::test]
async fn a_create_without_an_answer_is_looked_up() {
    let rig = Rig::start(json!([{"do": "lost_ack", "path": "create", "times": 1}])).await;
    let error = submit(&rig.hubspot, vec![change(Verb::Create, "ann@example.com", None)]).await.unwrap_err();
    assert_eq!(error.kind, Kind::Ambiguous);
    assert_eq!(rig.hubspot.traffic().writes, 1);
    let found = rig.hubspot.look_up(&target(), &[vec![field("email", "ann@example.com")]]).await.unwrap();
    assert!(matches!(found[0], Lookup::Found { .. }), "{found:?}");
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn refusals_of_the_moment_are_waited_out() {
    let faults =
        json!([{"do": "status", "code": 429, "times": 1}, {"do": "status", "code": 502, "times": 1}]);
    let rig = Rig::with(json!({"faults": faults, "limits": {"requests": "50/1s"}}), PATIENCE).await;
    rig.hubspot.account().await.unwrap();
    let outcomes = submit(&rig.hubspot, upserts(&["ann@example.com"])).await.unwrap();
    assert!(is_applied(&outcomes[0]), "{outcomes:?}");
    assert_eq!(rig.hubspot.traffic().retries, 2);
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn a_hanging_server_leaves_the_outcome_open() {
    let rig = Rig::with(json!({"faults": [{"do": "hang"}]}), Duration::from_millis(100)).await;
    let error = submit(&rig.hubspot, upserts(&["ann@example.com"])).await.unwrap_err();
    assert_eq!(error.kind, Kind::Ambiguous);
    assert_eq!(rig.hubspot.traffic().writes, 3);
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn the_accounts_window_is_followed() {
    let rig = Rig::with(json!({"limits": {"requests": "20/1s"}}), PATIENCE).await;
    rig.hubspot.account().await.unwrap();
    let each = |n: usize| {
        let email = format!("p{n}@example.com");
        let hubspot = &rig.hubspot;
        async move { submit(hubspot, upserts(&[&email])).await.unwrap() }
    };
    let outcomes = futures_util::future::join_all((0..40).map(each)).await;
    assert!(outcomes.iter().all(|o| is_applied(&o[0])));
    assert_eq!(rig.emails().len(), 40);
    let requests = &rig.shown()["requests"];
    assert_eq!(requests["writes"], 40);
    // None on an idle machine; a busy one may deliver two requests closer together than they were sent.
    assert!(requests["refused"].as_u64().unwrap() < 5, "{requests}");
    rig.sandbox.stop().await;
}

#[tokio::test]
async fn a_used_up_day_and_a_wrong_token_stop_at_once() {
    let rig = Rig::with(json!({"limits": {"daily_calls": 2}}), PATIENCE).await;
    for _ in 0..2 {
        submit(&rig.hubspot, upserts(&["ann@example.com"])).await.unwrap();
    }
    let error = submit(&rig.hubspot, upserts(&["ann@example.com"])).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_deref()), (Kind::Quota, Some("DAILY")));
    assert_eq!(rig.hubspot.traffic().writes, 2, "the headers had said so");
    rig.sandbox.stop().await;

    let rig = Rig::start(json!([])).await;
    let stranger = connected("invalid", &format!("{}/hubspot", rig.sandbox.url()), true, PATIENCE);
    let error = stranger.account().await.unwrap_err();
    assert_eq!(error.kind, Kind::Auth);
    assert_eq!(stranger.traffic().reads, 1);
    rig.sandbox.stop().await;
}
