//! Up to 500 members in one call, whose answer names each: made, changed or refused.
//!
//! Facts: `POST /lists/{id}` with `members`, `update_existing` and `sync_tags`, and its answer `{new_members,
//! updated_members, errors: [{email_address, error, error_code, field, field_message}]}`, of the vendor's own client
//! and its page <https://mailchimp.com/developer/marketing/api/lists/batch-subscribe-or-unsubscribe/>. Each member of
//! the call has one status, which is set for members that are there as well where `update_existing` is. So that is
//! asked for only where the rows say who is to be what; else the call makes new members alone, and names those that are
//! there.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value as Json;

use super::encode::Rows;
use super::errors;
use super::session::{MemberSession, Told, is_about_row, leave};
use crate::contract::{ConnectorError, Kind, Outcome, fold};
use crate::http::json::{list, text};
use crate::http::{Items, Reply, in_parts};

/// Members of one call.
pub(super) const MEMBERS: usize = 500;

/// Bytes of one call's body; Mailchimp names no number.
const BYTES: usize = 4_000_000;

const OPEN: &str = "{\"members\":[";

fn close(overwrites: bool) -> String {
    format!("],\"update_existing\":{overwrites},\"sync_tags\":false}}")
}

impl MemberSession {
    /// Sends these rows in as few calls as they need and sets their outcomes; whether more may be sent. Whether members
    /// that are there are changed, and whether a call may be repeated, stands in that order.
    ///
    /// # Errors
    /// A failure that is not about a row, as long as no row of the batch had or may have had an effect.
    pub(super) async fn together(
        &self,
        rows: &Rows,
        wanted: &[usize],
        (overwrites, repeatable): (bool, bool),
        told: &mut Told,
    ) -> Result<bool, ConnectorError> {
        if wanted.is_empty() {
            return Ok(true);
        }
        let (mut items, close) = (Items::default(), close(overwrites));
        for row in wanted {
            items.push(|out| -> Result<(), ConnectorError> {
                rows.listed(*row, out);
                Ok(())
            })?;
        }
        let parts = items.cut(MEMBERS, BYTES, OPEN.len() + close.len());
        let (items, close) = (&items, close.as_str());
        let stopped = &Mutex::new(None);
        let sent = in_parts(wanted.len(), &parts, |places| async move {
            let body = items.body(OPEN, places.iter().copied(), close);
            let answer = self.client.many(&self.list, body, repeatable).await;
            let answer = answer.inspect_err(|error| note(stopped, error))?;
            let emails: Vec<&str> = places.iter().map(|at| rows.sent(wanted[*at]).email.as_str()).collect();
            Ok(Reply::Each(answered(answer.json.as_ref().unwrap_or(&Json::Null), &emails)))
        })
        .await;
        let places = || wanted.iter().map(|row| rows.sent(*row).place);
        match sent {
            Ok(sent) => {
                let goes_on = !sent.iter().any(|outcome| matches!(outcome, Outcome::Deferred { .. }));
                places().zip(sent).for_each(|(place, outcome)| told.outcomes.set(place, outcome));
                let stopped = stopped.lock().unwrap_or_else(PoisonError::into_inner).take();
                match stopped {
                    Some(error) => leave(&[], error, told).map(|()| false),
                    None => Ok(goes_on),
                }
            }
            Err(error) if error.kind == Kind::Ambiguous && wanted.len() < rows.len() => {
                places().for_each(|place| {
                    told.outcomes.set(place, Outcome::Unknown { reason: error.message.clone() });
                });
                Ok(false)
            }
            Err(error) => leave(&places().collect::<Vec<_>>(), error, told).map(|()| false),
        }
    }
}

/// Keeps a failure that ends the calls, of which the rows are told in words only.
fn note(stopped: &Mutex<Option<ConnectorError>>, error: &ConnectorError) {
    if !is_about_row(error) {
        let same = ConnectorError {
            kind: error.kind,
            retry: error.retry,
            code: error.code.clone(),
            message: error.message.clone(),
            hint: error.hint.clone(),
            context: error.context.clone(),
            source: None,
        };
        *stopped.lock().unwrap_or_else(PoisonError::into_inner) = Some(same);
    }
}

/// What an answer says of each member that was sent, by its address. One that it does not name, or names as done and as
/// refused at once, is not known.
pub(super) fn answered(answer: &Json, emails: &[&str]) -> Vec<Outcome> {
    let mut named: HashMap<String, Option<Outcome>> = HashMap::new();
    let mut put = |element: &Json, outcome: Outcome| {
        let Some(email) = text(element, "email_address").map(|email| fold(&email)) else { return };
        match named.get_mut(&email) {
            Some(earlier) if earlier.as_ref() == Some(&outcome) => {}
            Some(earlier) => *earlier = None,
            None => drop(named.insert(email, Some(outcome))),
        }
    };
    for (part, created) in [("new_members", true), ("updated_members", false)] {
        for member in list(answer, part) {
            if let Some(id) = text(member, "id") {
                put(member, Outcome::Applied { remote_id: Some(id), created: Some(created) });
            }
        }
    }
    for error in list(answer, "errors") {
        put(error, errors::of_row(error));
    }
    let outcome = |email: &&str| match named.get(*email) {
        Some(Some(outcome)) => outcome.clone(),
        Some(None) => Outcome::Unknown { reason: "the answer names this member twice".to_owned() },
        None => Outcome::Unknown { reason: "the answer does not name this member".to_owned() },
    };
    emails.iter().map(outcome).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_is_what_the_answer_says_of_its_address_and_nothing_else() {
        let answer = json!({
            "new_members": [{"id": "1", "email_address": "Ann@X.io", "status": "subscribed"}, {"email_address": "noid@x.io"}],
            "updated_members": [{"id": "2", "email_address": "bo@x.io"}, {"id": "6", "email_address": "twice@x.io"}],
            "errors": [
                {"email_address": "cy@x.io", "error": "cy@x.io is already a list member", "error_code": "ERROR_CONTACT_EXISTS"},
                {"email_address": "di@x.io", "error": "Your merge fields were invalid.", "error_code": "ERROR_GENERIC",
                 "field": "LTV", "field_message": "Please enter a number"},
                {"email_address": "twice@x.io", "error": "no", "error_code": "ERROR_GENERIC"},
                {"email_address": "", "error": "a row of nobody"},
                {"email_address": "stranger@x.io", "error": "not ours"},
            ],
            "total_created": 9, "total_updated": 9, "error_count": 0,
        });
        let outcomes = answered(
            &answer,
            &["ann@x.io", "bo@x.io", "cy@x.io", "di@x.io", "eve@x.io", "twice@x.io", "noid@x.io"],
        );
        let applied =
            |id: &str, created| Outcome::Applied { remote_id: Some(id.to_owned()), created: Some(created) };
        assert_eq!(outcomes[..2], [applied("1", true), applied("2", false)]);
        assert!(matches!(&outcomes[2], Outcome::Rejected { code, .. } if code == errors::EXISTS));
        let Outcome::Rejected { code, field, message } = &outcomes[3] else { panic!("{outcomes:?}") };
        assert_eq!((code.as_str(), field.as_deref()), (errors::GENERIC, Some("LTV")));
        assert_eq!(message, "Your merge fields were invalid.: Please enter a number");
        assert!(outcomes[4..].iter().all(|o| matches!(o, Outcome::Unknown { .. })), "{outcomes:?}");
        let nothing = answered(&Json::Null, &["ann@x.io"]);
        assert!(matches!(nothing[..], [Outcome::Unknown { .. }]));
    }
}
