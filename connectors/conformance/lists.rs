//! What comes of members of a list: rows that are put on it and taken off.

use serde_json::{Value as Json, json};

use super::{Rig, Subject, is_applied, is_open, no_limits, submit_to};
use crate::contract::{Change, Outcome, Target, Verb};

/// More seeds than are needed for a fault to strike each request of a small delivery.
const SEEDS: u64 = 12;

pub(super) async fn a_list_is_kept(subject: &Subject, sessions: usize) {
    let Some(list) = &subject.list else { return };
    joining_and_leaving_can_be_repeated(subject, list).await;
    joining_creates_no_object(subject, list).await;
    nothing_is_lost_with_an_answer(subject, list, sessions).await;
}

async fn joining_and_leaving_can_be_repeated(subject: &Subject, list: &Target) {
    let rig = Rig::start(subject, no_limits(), json!([])).await;
    let capabilities = rig.capabilities(list);
    assert!(capabilities.supports(Verb::Join) && capabilities.supports(Verb::Leave), "{capabilities:?}");
    rig.make(1).await.expect("delivered");
    let mut seen = vec![held(&rig).await];
    for verb in [Verb::Leave, Verb::Join, Verb::Join, Verb::Leave, Verb::Leave] {
        let outcomes = of_list(&rig, list, vec![(subject.good)(verb, 1)]).await;
        assert!(outcomes.iter().all(is_settled), "{verb}: {outcomes:?}");
        seen.push(held(&rig).await);
    }
    let [alone, left, joined, again, off, off_again] = &seen[..] else { unreachable!("six looks") };
    assert_eq!(alone, left, "what is no member cannot leave");
    assert_ne!(alone, joined, "a member is shown");
    assert_eq!(joined, again, "who is a member stays one");
    assert_ne!(joined, off, "who left is no member");
    assert_eq!(off, off_again);
    assert_eq!(rig.living().await, 1, "the object stays");
    rig.stop().await;
}

async fn joining_creates_no_object(subject: &Subject, list: &Target) {
    let rig = Rig::start(subject, no_limits(), json!([])).await;
    rig.make(1).await.expect("delivered");
    let changes = [1, 2].map(|number| (subject.good)(Verb::Join, number));
    let outcomes = of_list(&rig, list, changes.to_vec()).await;
    let refused = !is_settled(&outcomes[1]) || rig.capabilities(list).accepts_unseen;
    assert!(is_settled(&outcomes[0]) && refused, "only the first is there: {outcomes:?}");
    assert_eq!(rig.living().await, 1);
    let outcomes = of_list(&rig, list, vec![(subject.good)(Verb::Leave, 2)]).await;
    assert!(is_settled(&outcomes[0]), "what is not there is on no list: {outcomes:?}");
    rig.stop().await;
}

/// Whichever answers are lost, two of them, the member is on the list in the end and known to be.
async fn nothing_is_lost_with_an_answer(subject: &Subject, list: &Target, sessions: usize) {
    let mut repeated = 0;
    for seed in 0..SEEDS {
        let faults = json!([{"do": "lost_ack", "rate": 0.4, "times": 2, "seed": seed}]);
        let rig = Rig::start(subject, no_limits(), faults).await;
        rig.make_within(sessions).await.expect("delivered");
        let (before, written) = (held(&rig).await, rig.requests("writes"));
        let join = || submit_to(&*rig.destination, list, vec![(subject.good)(Verb::Join, 1)]);
        let (mut result, mut joined) = (join().await, 1);
        while joined < sessions && is_open(&result) {
            (result, joined) = (join().await, joined + 1);
        }
        let outcomes = result.expect("answered");
        assert!(outcomes.iter().all(is_settled), "{outcomes:?}");
        assert_ne!(before, held(&rig).await, "a member is shown");
        repeated += u64::from(joined > 1 || rig.requests("writes") > written + 1);
        rig.stop().await;
    }
    assert!(repeated > 0, "no fault struck a write");
}

async fn of_list(rig: &Rig<'_>, list: &Target, changes: Vec<Change>) -> Vec<Outcome> {
    submit_to(&*rig.destination, list, changes).await.expect("answered")
}

fn is_settled(outcome: &Outcome) -> bool {
    is_applied(outcome) || matches!(outcome, Outcome::Skipped { .. })
}

/// All that lives in the account, the list's members among it, in whatever form the emulator keeps them.
async fn held(rig: &Rig<'_>) -> Json {
    let mut shown = rig.sandbox.show().await.expect("the sandbox shows its objects")["objects"].take();
    for objects in shown[rig.subject.vendor].as_object_mut().into_iter().flat_map(|kinds| kinds.values_mut())
    {
        if let Some(objects) = objects.as_array_mut() {
            objects.retain(|object| object["archived"] == false);
        }
    }
    shown
}
