//! Customer.io's calls.

use super::config::Region;
use super::target::Identifier;
use crate::contract::{ConnectorError, Kind, Retry, Verb};
use crate::http::json::text;
use crate::http::{Answer, HttpClient, Request};

/// Entities of one batch. No number is documented; 1,000 is what other senders keep to, and what a segment takes.
pub(super) const BATCH: usize = 1000;

/// Most bytes of a request's body: "smaller than 500kb" (<https://docs.customer.io/api/track/>, "Send multiple requests"),
/// taken for thousands.
pub(super) const LONGEST_BODY: usize = 499_999;

#[derive(Clone)]
pub(super) struct Client {
    pub(super) http: HttpClient,
}

impl Client {
    /// The id of the workspace that the credentials are for. Either region answers for both.
    ///
    /// # Errors
    /// [`Kind::Auth`] for credentials that are not known, [`Kind::Config`] where the account is in the other region.
    pub(super) async fn workspace(&self, ours: Region) -> Result<String, ConnectorError> {
        let answer = self.http.send(&Request::get("/api/v1/accounts/region")).await?;
        let body = answer.json.unwrap_or_default();
        if let Some(theirs) = text(&body, "region").filter(|theirs| theirs != ours.word()) {
            let message =
                format!("the account is in the region `{theirs}`, and the connection says `{}`", ours.word());
            let hint = format!("set `region: {theirs}` in the connection");
            return Err(ConnectorError::new(Kind::Config, message).code("WRONG_REGION").hint(hint));
        }
        text(&body, "environment_id").ok_or_else(|| {
            ConnectorError::new(
                Kind::Unavailable,
                "Customer.io's answer was not understood: the account's region has no `environment_id`",
            )
            .hint("check the connection's `base_url`")
            .retry(Retry::Never)
        })
    }

    /// One batch. All of its actions end the same when they are done twice: an event carries an id of its own.
    pub(super) async fn batch(&self, body: Vec<u8>) -> Result<Answer, ConnectorError> {
        self.http.send(&Request::write("/api/v2/batch", body, true)).await
    }

    /// Puts people into a manual segment, or takes them out.
    pub(super) async fn members(
        &self,
        segment: u32,
        verb: Verb,
        (identifier, body): (Identifier, Vec<u8>),
    ) -> Result<Answer, ConnectorError> {
        let call = if verb == Verb::Join { "add_customers" } else { "remove_customers" };
        let path = format!("/api/v1/segments/{segment}/{call}?id_type={}", identifier.name());
        self.http.send(&Request::write(path, body, true)).await
    }
}
