//! What profiles have agreed to: `subscriptions` of `GET /api/profiles`, which come where they are asked for by name
//! (`EmailMarketing` and `SMSMarketing` of the vendor's description).

use std::collections::HashMap;

use serde_json::Value as Json;

use super::client::Client;
use super::errors;
use super::lookup::KEYS;
use super::options::Key;
use crate::contract::{ConnectorError, Outcome};
use crate::http::json;

/// What a profile has agreed to, on the channel that a match key speaks of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Consent {
    /// Subscribed, and no message is held back.
    pub(super) is_given: bool,
    /// Unsubscribed, or suppressed.
    pub(super) is_withdrawn: bool,
    /// It gets no e-mail, whatever it has agreed to.
    pub(super) is_suppressed: bool,
}

impl Consent {
    /// Suppressions for another list do not count.
    fn of(agreed: &Json, (key, list): (Key, &str)) -> Self {
        let channel = if key == Key::Phone { "sms" } else { "email" };
        let Some(marketing) = agreed.get(channel).and_then(|channel| channel.get("marketing")) else {
            return Consent::default();
        };
        let word = json::text(marketing, "consent").unwrap_or_default();
        let can_receive = marketing.get("can_receive_email_marketing").and_then(Json::as_bool);
        let is_suppressed =
            can_receive == Some(false) || json::list(marketing, "suppression").next().is_some();
        let is_off_list = json::list(marketing, "list_suppressions")
            .any(|one| json::text(one, "list_id").is_some_and(|id| id == list));
        let is_withdrawn = word == "UNSUBSCRIBED" || is_suppressed || is_off_list;
        Consent { is_given: word == "SUBSCRIBED" && !is_withdrawn, is_withdrawn, is_suppressed }
    }
}

/// What the profiles with these ids have agreed to, by id: on the channel of this key, and for this list. One that Klaviyo
/// says nothing of is left out.
///
/// # Errors
/// Where Klaviyo cannot be asked; never [`Kind::Rejected`](crate::contract::Kind::Rejected), for ids are Klaviyo's own.
pub(super) async fn of_profiles(
    client: &Client,
    of: (Key, &str),
    ids: &[String],
) -> Result<HashMap<String, Consent>, ConnectorError> {
    let mut all = HashMap::with_capacity(ids.len());
    for part in ids.chunks(KEYS) {
        let told = client.subscriptions(part).await.map_err(errors::not_asked)?;
        all.extend(told.into_iter().map(|(id, agreed)| (id, Consent::of(&agreed, of))));
    }
    Ok(all)
}

/// Of who may have been subscribed by an earlier run, and has unsubscribed.
pub(super) fn withdrawn(key: Key) -> Outcome {
    Outcome::Rejected {
        code: "CONSENT_WITHDRAWN".to_owned(),
        field: Some(key.field().to_owned()),
        message:
            "an earlier run may have subscribed the profile already, and it is unsubscribed or suppressed now"
                .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn consent_is_given_only_where_nothing_speaks_against_it() {
        let email =
            |marketing: Json| Consent::of(&json!({"email": {"marketing": marketing}}), (Key::Email, "NEWS"));
        let none = json!([]);
        let bounced = json!([{"reason": "HARD_BOUNCE", "timestamp": "2026-07-15T00:00:00Z"}]);
        let left = |list: &str| json!([{"list_id": list, "reason": "USER_SUPPRESSED", "timestamp": "x"}]);
        for (word, can, global, of_list, given, withdrawn) in [
            ("SUBSCRIBED", true, &none, &none, true, false),
            ("SUBSCRIBED", true, &none, &left("VIPS"), true, false),
            ("SUBSCRIBED", true, &none, &left("NEWS"), false, true),
            ("SUBSCRIBED", true, &bounced, &none, false, true),
            ("SUBSCRIBED", false, &none, &none, false, true),
            ("UNSUBSCRIBED", true, &none, &none, false, true),
            ("NEVER_SUBSCRIBED", true, &none, &none, false, false),
        ] {
            let consent = email(json!({
                "consent": word, "can_receive_email_marketing": can, "suppression": global, "list_suppressions": of_list,
            }));
            assert_eq!(
                (consent.is_given, consent.is_withdrawn),
                (given, withdrawn),
                "{word} {can} {global} {of_list}"
            );
        }
        for nothing in [json!(null), json!({}), json!({"email": null}), json!({"email": {"marketing": null}})]
        {
            assert_eq!(Consent::of(&nothing, (Key::Email, "NEWS")), Consent::default(), "{nothing}");
        }
        let sms =
            json!({"sms": {"marketing": {"consent": "UNSUBSCRIBED", "can_receive_sms_marketing": false}}});
        assert!(Consent::of(&sms, (Key::Phone, "NEWS")).is_withdrawn);
        assert_eq!(Consent::of(&sms, (Key::Email, "NEWS")), Consent::default());
    }
}
