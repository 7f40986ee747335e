//! What a call's answer says of each of its leads: `result` has one element for each, in their order (`error-codes.md`,
//! "Record-Level"). What it does not confirm proves nothing.

use serde_json::Value as Json;

use super::errors::{self, NO_LEAD};
use crate::contract::{Outcome, Verb};
use crate::http::json::{list, text};

/// One outcome for each of so many leads that were sent with this verb.
pub(super) fn outcomes(body: &Json, verb: Verb, leads: usize) -> Vec<Outcome> {
    let results: Vec<&Json> = list(body, "result").collect();
    if results.len() != leads {
        let reason = format!("{leads} leads were sent, and Marketo's answer speaks of {}", results.len());
        return vec![Outcome::Unknown { reason }; leads];
    }
    results.into_iter().map(|result| outcome(result, verb)).collect()
}

fn outcome(result: &Json, verb: Verb) -> Outcome {
    let applied = |created| match text(result, "id") {
        // Without it nobody can put the lead on its list.
        None if matches!(verb, Verb::Create | Verb::Upsert | Verb::Update) => {
            Outcome::Unknown { reason: "Marketo's answer names no id of the lead".to_owned() }
        }
        remote_id => Outcome::Applied { remote_id, created },
    };
    let status = text(result, "status").unwrap_or_default();
    match (verb, status.as_str()) {
        (Verb::Create | Verb::Upsert, "created") => applied(Some(true)),
        (Verb::Upsert | Verb::Update, "updated") => applied(Some(false)),
        (Verb::Delete, "deleted")
        | (Verb::Join, "added" | "memberof")
        | (Verb::Leave, "removed" | "notmemberof") => applied(None),
        (_, "skipped") => skipped(result, verb),
        (_, other) => Outcome::Unknown {
            reason: format!("Marketo calls the lead `{other}`, which confirms no `{verb}`"),
        },
    }
}

/// A lead that was left as it was, for a reason.
fn skipped(result: &Json, verb: Verb) -> Outcome {
    let refused = errors::of_lead(result);
    let Outcome::Rejected { code, field, message } = refused else { return refused };
    let is_gone = code == NO_LEAD || (verb == Verb::Leave && code == errors::NOT_ON_LIST);
    match verb {
        Verb::Delete | Verb::Leave if is_gone => Outcome::Applied { remote_id: None, created: None },
        _ if code == NO_LEAD => {
            Outcome::Rejected { code: Outcome::OBJECT_NOT_FOUND.to_owned(), field, message }
        }
        _ => Outcome::Rejected { code, field, message },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(verb: Verb, result: Json) -> Outcome {
        outcomes(&json!({"result": [result]}), verb, 1).remove(0)
    }

    fn skipped(code: &str, message: &str) -> Json {
        json!({"status": "skipped", "reasons": [{"code": code, "message": message}]})
    }

    #[test]
    fn a_status_counts_for_the_verb_that_was_asked_for_alone() {
        let applied = |created| Outcome::Applied { remote_id: Some("7".to_owned()), created };
        for (verb, status, created) in [
            (Verb::Create, "created", Some(true)),
            (Verb::Upsert, "created", Some(true)),
            (Verb::Upsert, "updated", Some(false)),
            (Verb::Update, "updated", Some(false)),
            (Verb::Delete, "deleted", None),
            (Verb::Join, "added", None),
            (Verb::Leave, "removed", None),
        ] {
            assert_eq!(one(verb, json!({"id": 7, "status": status})), applied(created), "{verb} {status}");
        }
        for (verb, status) in [
            (Verb::Update, "created"),
            (Verb::Create, "updated"),
            (Verb::Upsert, "added"),
            (Verb::Upsert, ""),
        ] {
            let outcome = one(verb, json!({"id": 7, "status": status}));
            assert!(matches!(outcome, Outcome::Unknown { .. }), "{verb} {status}: {outcome:?}");
        }
        let nameless = one(Verb::Upsert, json!({"status": "created"}));
        assert!(matches!(nameless, Outcome::Unknown { .. }), "{nameless:?}");
    }

    #[test]
    fn a_lead_that_is_not_there_is_gone_for_removals_and_waited_for_by_others() {
        let code = |outcome: Outcome| match outcome {
            Outcome::Rejected { code, .. } => code,
            other => format!("{other:?}"),
        };
        for verb in [Verb::Update, Verb::Join] {
            assert_eq!(code(one(verb, skipped("1004", "Lead not found"))), Outcome::OBJECT_NOT_FOUND);
        }
        for (verb, reason) in [(Verb::Delete, "1004"), (Verb::Leave, "1004"), (Verb::Leave, "1015")] {
            assert!(matches!(one(verb, skipped(reason, "x")), Outcome::Applied { .. }), "{verb} {reason}");
        }
        assert_eq!(code(one(Verb::Join, skipped("1015", "x"))), "1015");
        assert_eq!(code(one(Verb::Upsert, json!({"status": "skipped"}))), "LEAD_SKIPPED");
    }

    #[test]
    fn an_answer_for_fewer_leads_proves_none() {
        let body = json!({"result": [{"id": 1, "status": "created"}]});
        assert!(outcomes(&body, Verb::Upsert, 2).iter().all(|o| matches!(o, Outcome::Unknown { .. })));
        assert_eq!(outcomes(&json!({}), Verb::Upsert, 3).len(), 3);
    }
}
