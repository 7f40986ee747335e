//! What the answer to a collection says of each record: `[{"id", "success", "errors", "created"}]`, in the order in which the
//! records were sent.

use serde_json::Value as Json;

use super::errors;
use super::options::ID;
use crate::contract::{ConnectorError, Kind, Outcome, Verb};
use crate::http::json;

/// The code of a key that several records have.
const DUPLICATE: &str = "DUPLICATE_EXTERNAL_ID";

/// One outcome for each of so many records; one that the answer does not speak of is unknown.
pub(super) fn outcomes(verb: Verb, records: usize, body: Option<&Json>) -> Vec<Outcome> {
    let list = body.and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    if list.len() > records {
        let reason = format!("{records} records were sent, and Salesforce answered for {}", list.len());
        return vec![Outcome::Unknown { reason }; records];
    }
    let missing =
        || Outcome::Unknown { reason: "Salesforce's answer does not speak of this record".to_owned() };
    let answered = list.iter().map(|one| outcome(verb, one));
    answered.chain(std::iter::repeat_with(missing)).take(records).collect()
}

fn outcome(verb: Verb, one: &Json) -> Outcome {
    let id = json::text(one, "id").filter(|id| !id.is_empty());
    match one.get("success") {
        Some(Json::Bool(true)) if id.is_some() => {
            let created = match verb {
                Verb::Create => Some(true),
                _ => one.get("created").and_then(Json::as_bool),
            };
            Outcome::Applied { remote_id: id, created }
        }
        Some(Json::Bool(false)) => {
            let errors: Vec<Json> = json::list(one, "errors").cloned().collect();
            refused(verb, errors::outcome(&errors))
        }
        _ => Outcome::Unknown { reason: "Salesforce confirms a record without naming it".to_owned() },
    }
}

/// What a record's refusal means for its change.
pub(super) fn refused(verb: Verb, outcome: Outcome) -> Outcome {
    if errors::is_absent(&outcome) { gone(verb, outcome) } else { outcome }
}

/// What it means for a change that its record is not there.
fn gone(verb: Verb, refused: Outcome) -> Outcome {
    match (verb, refused) {
        (Verb::Delete, _) => Outcome::Applied { remote_id: None, created: None },
        (Verb::Update, Outcome::Rejected { message, .. }) => {
            Outcome::Rejected { code: Outcome::OBJECT_NOT_FOUND.to_owned(), field: None, message }
        }
        (_, refused) => refused,
    }
}

/// A change whose key no record has.
pub(super) fn absent(verb: Verb) -> Outcome {
    let message = "Salesforce has no record with this key".to_owned();
    gone(verb, Outcome::Rejected { code: Outcome::OBJECT_NOT_FOUND.to_owned(), field: None, message })
}

/// A change whose key several records have.
pub(super) fn ambiguous(key: &str, records: usize) -> Outcome {
    Outcome::Rejected {
        code: DUPLICATE.to_owned(),
        field: (key != ID).then(|| key.to_owned()),
        message: format!("{records} records have this key"),
    }
}

/// Records that were locked to the end.
pub(super) fn still_locked(outcome: Outcome) -> Outcome {
    let is_locked = errors::is_lock(&outcome);
    match outcome {
        Outcome::Rejected { message, .. } if is_locked => {
            Outcome::Deferred { reason: format!("the record was locked to the end: {message}") }
        }
        other => other,
    }
}

/// What is known after a further try for the records at these places has failed.
pub(super) fn unfinished(outcomes: Vec<Outcome>, some: &[usize], error: &ConnectorError) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = outcomes.into_iter().map(still_locked).collect();
    if error.kind == Kind::Ambiguous {
        some.iter().for_each(|at| outcomes[*at] = Outcome::Unknown { reason: error.message.clone() });
    }
    outcomes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn failed(code: &str, fields: &[&str]) -> Json {
        json!({"success": false, "errors": [{"statusCode": code, "message": "why", "fields": fields}]})
    }

    fn code(outcome: &Outcome) -> &str {
        match outcome {
            Outcome::Rejected { code, .. } => code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_record_has_the_answer_in_its_place() {
        let body = json!([
            {"id": "003A", "success": true, "errors": [], "created": true},
            failed("INVALID_EMAIL_ADDRESS", &["Email"]),
            {"id": "003B", "success": true, "errors": [], "created": false},
        ]);
        let outcomes = outcomes(Verb::Upsert, 4, Some(&body));
        assert_eq!(outcomes[0], Outcome::Applied { remote_id: Some("003A".into()), created: Some(true) });
        assert_eq!(code(&outcomes[1]), "INVALID_EMAIL_ADDRESS");
        assert_eq!(outcomes[2], Outcome::Applied { remote_id: Some("003B".into()), created: Some(false) });
        assert!(matches!(outcomes[3], Outcome::Unknown { .. }), "nothing was said of it");
    }

    #[test]
    fn nothing_is_proven_by_an_answer_that_makes_no_sense() {
        let good = json!({"id": "003A", "success": true});
        for body in
            [json!(null), json!({}), json!([]), json!([{}]), json!([{"success": true}]), json!([good, good])]
        {
            let outcomes = outcomes(Verb::Upsert, 1, Some(&body));
            assert!(matches!(outcomes[..], [Outcome::Unknown { .. }]), "{body}: {outcomes:?}");
        }
        assert!(matches!(outcomes(Verb::Upsert, 1, None)[..], [Outcome::Unknown { .. }]));
    }

    #[test]
    fn what_is_gone_means_something_else_for_each_verb() {
        let body = json!([failed("ENTITY_IS_DELETED", &[])]);
        let of = |verb| outcomes(verb, 1, Some(&body)).remove(0);
        assert!(matches!(of(Verb::Delete), Outcome::Applied { .. }));
        assert_eq!(code(&of(Verb::Update)), Outcome::OBJECT_NOT_FOUND);
        assert_eq!(code(&of(Verb::Upsert)), "ENTITY_IS_DELETED");
        assert!(matches!(absent(Verb::Delete), Outcome::Applied { .. }));
        assert_eq!(code(&absent(Verb::Update)), Outcome::OBJECT_NOT_FOUND);
        assert_eq!(code(&ambiguous("E__c", 2)), DUPLICATE);
    }

    #[test]
    fn a_lock_to_the_end_is_no_refusal() {
        let lock =
            outcomes(Verb::Upsert, 2, Some(&json!([failed("UNABLE_TO_LOCK_ROW", &[]), failed("X", &[])])));
        let lost = ConnectorError::new(Kind::Ambiguous, "lost");
        let after = unfinished(lock.clone(), &[0], &lost);
        assert!(matches!(after[0], Outcome::Unknown { .. }) && code(&after[1]) == "X");
        let quota = ConnectorError::new(Kind::Quota, "no more");
        assert!(matches!(unfinished(lock, &[0], &quota)[0], Outcome::Deferred { .. }));
    }
}
