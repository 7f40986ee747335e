//! What deliveries come to when the network or the other side fails.

use std::time::Duration;

use serde_json::json;

use super::{Access, Rig, Subject, is_applied, is_open, no_limits};
use crate::contract::{Kind, Outcome, Verb};

/// Faults after which the effect stands but the answer does not tell.
const BROKEN_ANSWERS: [&str; 3] = ["lost_ack", "truncate", "garbage"];

/// One broken answer: the change is applied once in the end, or known to be unknown; never called refused.
pub(super) async fn an_answer_lost_once_is_made_good(subject: &Subject) {
    for fault in BROKEN_ANSWERS {
        let rig = Rig::start(subject, no_limits(), json!([{"do": fault, "times": 1}])).await;
        let result = rig.make(1).await;
        let applied = matches!(&result, Ok(outcomes) if outcomes.iter().all(is_applied));
        assert!(applied || is_open(&result), "{fault}: {result:?}");
        assert_eq!(rig.living().await, 1, "{fault}");
        rig.stop().await;
    }
}

/// Every answer is broken, or none comes: nobody knows, and that is what is said.
pub(super) async fn an_answer_never_understood_is_never_a_refusal(subject: &Subject) {
    for fault in BROKEN_ANSWERS {
        let rig = Rig::start(subject, no_limits(), json!([{"do": fault}])).await;
        let result = rig.make(1).await;
        assert!(is_open(&result), "{fault}: {result:?}");
        assert_eq!(rig.living().await, 1, "{fault}");
        rig.stop().await;
    }
    let how = (Access::Good, Duration::from_millis(100));
    let rig = Rig::with(subject, no_limits(), json!([{"do": "hang"}]), how).await;
    let result = rig.make(1).await;
    assert!(is_open(&result), "hang: {result:?}");
    rig.stop().await;
}

/// A create cannot be repeated blindly: after a broken answer it is unknown, and was sent once. One that the destination
/// knows again is sent again, and made once.
pub(super) async fn a_create_is_made_once(subject: &Subject) {
    for fault in BROKEN_ANSWERS {
        let rig = Rig::start(subject, no_limits(), json!([{"do": fault, "times": 1}])).await;
        let capabilities = rig.capabilities(&subject.target);
        if capabilities.supports(Verb::Create) {
            let result = rig.submit(vec![(subject.good)(Verb::Create, 1)]).await;
            let as_it_must = match capabilities.repeatable_creates {
                true => matches!(&result, Ok(outcomes) if outcomes.iter().all(is_applied)),
                false => is_open(&result) && rig.requests("writes") == 1,
            };
            assert!(as_it_must, "{fault}: {} writes, {result:?}", rig.requests("writes"));
            assert_eq!(rig.living().await, 1, "{fault}");
        }
        rig.stop().await;
    }
}

pub(super) async fn a_moment_of_trouble_is_waited_out(subject: &Subject, sessions: usize) {
    for code in [429, 500, 502, 503] {
        let rig = Rig::start(subject, no_limits(), json!([{"do": "status", "code": code, "times": 1}])).await;
        let result = rig.make_within(sessions).await;
        assert!(matches!(&result, Ok(outcomes) if is_applied(&outcomes[0])), "{code}: {result:?}");
        assert_eq!(rig.living().await, 1, "{code}");
        rig.stop().await;
    }
}

/// The other side stays down: the records are not to blame.
pub(super) async fn trouble_without_end_is_no_refusal(subject: &Subject) {
    let rig = Rig::start(subject, no_limits(), json!([{"do": "status", "code": 503}])).await;
    match rig.make(1).await {
        Ok(outcomes) => {
            let blameless = |o: &Outcome| matches!(o, Outcome::Unknown { .. } | Outcome::Deferred { .. });
            assert!(outcomes.iter().all(blameless), "{outcomes:?}");
        }
        Err(error) => {
            assert!(matches!(error.kind, Kind::Unavailable | Kind::Ambiguous), "{error:?}");
        }
    }
    assert!(rig.requests("writes") <= 20, "attempts are bounded");
    assert_eq!(rig.living().await, 0);
    rig.stop().await;
}
