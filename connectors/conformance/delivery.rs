//! What ordinary deliveries come to.

use std::sync::Arc;

use serde_json::json;

use super::{Access, Never, PATIENCE, Rig, Subject, is_applied, no_limits};
use crate::contract::{Kind, Outcome, RunContext, Verb};

/// Good and bad rows in one full batch: each gets its own outcome at its own place.
pub(super) async fn one_outcome_per_change(subject: &Subject) {
    let rig = Rig::start(subject, no_limits(), json!([])).await;
    let capabilities = rig.destination.capabilities(&subject.target).expect("the target is known");
    let size = capabilities.batch_rows.min(200);
    let is_bad = |number: usize| number % 7 == 3;
    let change = |number: usize| {
        let make = if is_bad(number) { subject.refused } else { subject.good };
        make(rig.making(), number)
    };
    let outcomes = rig.submit((0..size).map(change).collect()).await.expect("the batch is delivered");
    for (number, outcome) in outcomes.iter().enumerate() {
        let fits = match outcome {
            Outcome::Rejected { code, message, .. } => {
                is_bad(number) && !code.is_empty() && !message.is_empty()
            }
            Outcome::Applied { remote_id, .. } => {
                // Of objects that are new, where an answer names ids at all.
                !is_bad(number) && remote_id.is_some() == capabilities.remote_ids
            }
            _ => false,
        };
        assert!(fits, "row {number} is {}: {outcome:?}", if is_bad(number) { "bad" } else { "good" });
    }
    assert_eq!(rig.living().await, (0..size).filter(|number| !is_bad(*number)).count());
    rig.stop().await;
}

pub(super) async fn a_repeated_upsert_makes_no_second_object(subject: &Subject) {
    let rig = Rig::start(subject, no_limits(), json!([])).await;
    if !rig.supports(Verb::Upsert) {
        return rig.stop().await;
    }
    let first = rig.make(1).await.expect("delivered");
    let again = rig.make(1).await.expect("delivered again");
    let same = match (&first[0], &again[0]) {
        (Outcome::Applied { remote_id: a, .. }, Outcome::Applied { remote_id: b, created }) => {
            // An answer need not name again what an earlier one named.
            (b.is_none() || a == b) && *created != Some(true)
        }
        (Outcome::Applied { .. }, Outcome::Skipped { .. }) => true,
        _ => false,
    };
    assert!(same, "first {first:?}, then {again:?}");
    assert_eq!(rig.living().await, 1);
    rig.stop().await;
}

pub(super) async fn removing_what_is_absent_is_applied(subject: &Subject) {
    let rig = Rig::start(subject, no_limits(), json!([])).await;
    if rig.supports(Verb::Delete) {
        rig.make(1).await.expect("delivered");
        let removals = || vec![(subject.good)(Verb::Delete, 1), (subject.good)(Verb::Delete, 2)];
        for time in ["first", "second"] {
            let outcomes = rig.submit(removals()).await.expect("removed");
            assert!(outcomes.iter().all(is_applied), "the {time} time: {outcomes:?}");
            assert_eq!(rig.living().await, 0);
        }
    }
    rig.stop().await;
}

pub(super) async fn an_update_never_creates(subject: &Subject) {
    let rig = Rig::start(subject, no_limits(), json!([])).await;
    if rig.supports(Verb::Update) {
        rig.make(1).await.expect("delivered");
        let changes = vec![(subject.good)(Verb::Update, 1), (subject.good)(Verb::Update, 2)];
        let outcomes = rig.submit(changes).await.expect("answered");
        assert!(is_applied(&outcomes[0]), "{outcomes:?}");
        let refused = matches!(outcomes[1], Outcome::Rejected { .. });
        assert!(refused || rig.capabilities(&subject.target).accepts_unseen, "it is not there: {outcomes:?}");
        assert_eq!(rig.living().await, 1);
    }
    rig.stop().await;
}

/// More requests than the account's window holds: all arrive, and the account hardly ever has to refuse one.
pub(super) async fn limits_are_waited_out(subject: &Subject) {
    const WINDOW: u64 = 10;
    let rig = Rig::start(subject, json!({"requests": format!("{WINDOW}/1s")}), json!([])).await;
    rig.destination.account().await.expect("the account answers, and its answer carries the limits");
    for number in 0..2 * usize::try_from(WINDOW).unwrap_or(0) {
        let outcomes = rig.make(number).await.expect("delivered");
        assert!(is_applied(&outcomes[0]), "{outcomes:?}");
    }
    assert_eq!(rig.living().await, 20);
    // None on an idle machine; a busy one may deliver two requests closer together than they were sent.
    assert!(rig.requests("refused") <= 4, "{} requests were over the limit", rig.requests("refused"));
    rig.stop().await;
}

/// A refused token is the user's to mend: one request, no retry, nothing written.
pub(super) async fn bad_credentials_stop_at_once(subject: &Subject) {
    let rig = Rig::with(subject, no_limits(), json!([]), (Access::Bad, PATIENCE)).await;
    let error = rig.destination.account().await.expect_err("the token is refused");
    assert_eq!(error.kind, Kind::Auth, "{error:?}");
    assert_eq!(rig.requests("reads") + rig.requests("writes"), 1, "no second attempt");
    let error = rig.make(1).await.expect_err("the token is refused");
    assert_eq!(error.kind, Kind::Auth, "{error:?}");
    assert!(rig.requests("writes") <= 1, "no second attempt");
    assert_eq!(rig.living().await, 0);
    rig.stop().await;
}

/// A run that has lost its lease writes no more, whatever the kind of change.
pub(super) async fn nothing_is_written_without_permission(subject: &Subject) {
    let rig = Rig::start(subject, no_limits(), json!([])).await;
    for verb in [Verb::Create, Verb::Upsert, Verb::Update, Verb::Delete] {
        if rig.supports(verb) {
            rig.make(1).await.expect("delivered");
            let before = rig.requests("writes");
            let lost = RunContext { permission: Arc::new(Never), ..RunContext::alone("lost", "conformance") };
            let error = rig.submit_in(lost, vec![(subject.good)(verb, 1)]).await.expect_err("it was written");
            assert_eq!((error.kind, rig.requests("writes")), (Kind::Revoked, before), "{verb}: {error:?}");
        }
    }
    rig.stop().await;
}
