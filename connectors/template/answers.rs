//! What an answer says of each operation: `{"results": [{"index": .., "status": "done"}, {"index": .., "status": "refused",
//! "code": .., "field": .., "message": ..}]}`. What it does not name, or names twice, is unknown. Pure.

use serde_json::Value as Json;

use crate::contract::Outcome;
use crate::http::json::{list, text};
use crate::http::shortened;

/// One outcome for each of so many operations, in the order in which they were sent.
pub(super) fn outcomes(operations: usize, answer: &Json) -> Vec<Outcome> {
    let mut named: Vec<Vec<Outcome>> = vec![Vec::new(); operations];
    for result in list(answer, "results") {
        let index = result.get("index").and_then(Json::as_u64).and_then(|index| usize::try_from(index).ok());
        if let Some(outcomes) = index.and_then(|index| named.get_mut(index)) {
            outcomes.push(outcome(result));
        }
    }
    let unknown = |reason: &str| Outcome::Unknown { reason: reason.to_owned() };
    named
        .into_iter()
        .map(|mut outcomes| match outcomes.len() {
            0 => unknown("the answer does not name this row"),
            1 => outcomes.remove(0),
            _ => unknown("the answer names this row more than once"),
        })
        .collect()
}

fn outcome(result: &Json) -> Outcome {
    match (text(result, "status").as_deref(), text(result, "code")) {
        (Some("done"), None) => Outcome::Applied { remote_id: None, created: None },
        (Some("refused"), Some(code)) => Outcome::Rejected {
            code,
            field: text(result, "field"),
            message: text(result, "message").map(|message| shortened(&message)).unwrap_or_default(),
        },
        _ => Outcome::Unknown { reason: "the answer does not say what became of this row".to_owned() },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const APPLIED: Outcome = Outcome::Applied { remote_id: None, created: None };

    #[test]
    fn a_recorded_answer_names_each_row() {
        let path = format!("{}/../fixtures/http/template/partly-refused.json", env!("CARGO_MANIFEST_DIR"));
        let case: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let outcomes = outcomes(3, &case["response"]["body"]);
        let refusal = Outcome::Rejected {
            code: "invalid_value".to_owned(),
            field: Some("plan".to_owned()),
            message: "`plan` does not take `gold`".to_owned(),
        };
        assert_eq!(outcomes, [APPLIED, refusal, APPLIED]);
    }

    #[test]
    fn what_is_not_named_once_is_unknown() {
        let done = |index: u64| json!({"index": index, "status": "done"});
        for (results, applied) in [
            (json!([]), [false, false]),
            (json!([done(1)]), [false, true]),
            (json!([done(0), done(0), done(1), done(7)]), [false, true]),
            (
                json!([{"index": 0, "status": "queued"}, {"index": 1, "status": "done", "code": "x"}]),
                [false; 2],
            ),
        ] {
            let outcomes = outcomes(2, &json!({"results": results}));
            for (outcome, applied) in outcomes.iter().zip(applied) {
                assert_eq!(*outcome == APPLIED, applied, "{results}: {outcomes:?}");
                assert!(applied || matches!(outcome, Outcome::Unknown { .. }), "{results}: {outcomes:?}");
            }
        }
    }
}
