//! What bad rows cost: requests, against those of a run without any.

use serde_json::json;

use super::emulator::{PATIENCE, Rig};
use super::{change, field, is_applied, rejected, submit};
use crate::contract::{Change, Destination, Outcome, Verb};

const ROWS: usize = 5_000;
const BATCH: usize = 100;

/// One row of a hundred, at places that only look random: the same ones in every run of the test.
fn is_poisoned(row: usize) -> bool {
    let mixed = (row as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32 < u64::from(u32::MAX) / 100
}

fn row(row: usize) -> Change {
    match (is_poisoned(row), row % 2) {
        (false, _) => change(Verb::Upsert, &format!("p{row}@example.com"), None),
        (true, 0) => change(Verb::Upsert, &format!("no address {row}"), None),
        (true, _) => {
            let mut change = change(Verb::Upsert, &format!("p{row}@example.com"), None);
            change.fields.push(field("plan", "C"));
            change
        }
    }
}

/// Delivers all rows and gives the write requests for one batch, on average. All rows have their answer, and the right
/// one, but for what a budget left.
async fn requests_per_batch(errors: &str, may_defer: bool) -> f64 {
    let rig = Rig::with(json!({"errors": errors, "limits": {"requests": "100000/1s"}}), PATIENCE).await;
    rig.hubspot.account().await.unwrap();
    let (mut refused, mut deferred) = (0, 0);
    for start in (0..ROWS).step_by(BATCH) {
        let outcomes = submit(&rig.hubspot, (start..start + BATCH).map(row).collect()).await.unwrap();
        for (at, outcome) in (start..).zip(&outcomes) {
            match outcome {
                Outcome::Deferred { .. } => deferred += 1,
                _ if is_poisoned(at) => {
                    let expected = match (errors, at % 2) {
                        ("vague", _) => "VALIDATION_ERROR",
                        (_, 0) => "INVALID_EMAIL",
                        _ => "INVALID_OPTION",
                    };
                    assert_eq!(rejected(outcome), expected, "{at}: {outcome:?}");
                    refused += 1;
                }
                _ => assert!(is_applied(outcome), "{at}: {outcome:?}"),
            }
        }
    }
    assert!(may_defer || deferred == 0, "{deferred} rows were deferred");
    assert!(refused + deferred >= ROWS / 125, "{refused} and {deferred}");
    assert_eq!(rig.shown()["requests"]["refused"], 0, "no limit was met");
    rig.sandbox.stop().await;
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let ratio = rig.hubspot.traffic().writes as f64 / (ROWS / BATCH) as f64;
    ratio
}

#[tokio::test]
async fn a_hundredth_of_bad_rows_costs_little_where_each_is_named() {
    let ratio = requests_per_batch("rows", false).await;
    assert!(ratio < 1.3, "{ratio}");
}

#[tokio::test]
async fn a_hundredth_of_bad_rows_costs_less_than_three_times_where_the_batch_is_refused_for_the_first_of_them()
 {
    let ratio = requests_per_batch("whole", false).await;
    assert!(ratio < 3.0, "{ratio}");
}

#[tokio::test]
async fn a_hundredth_of_bad_rows_stays_within_the_budget_where_nothing_is_said_of_them() {
    let ratio = requests_per_batch("vague", true).await;
    assert!(ratio < 12.0, "{ratio}");
}
