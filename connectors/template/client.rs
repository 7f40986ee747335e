//! Template's calls.

use serde_json::Value as Json;

use crate::contract::{ConnectorError, Kind, Retry};
use crate::http::{HttpClient, Request, escaped, json};

#[derive(Clone)]
pub(super) struct Client {
    pub(super) http: HttpClient,
}

impl Client {
    /// The account's id.
    pub(super) async fn account(&self) -> Result<String, ConnectorError> {
        let answer = self.http.send(&Request::get("/account")).await?;
        let id = answer.json.as_ref().and_then(|body| json::text(body, "id"));
        id.ok_or_else(|| {
            ConnectorError::new(Kind::Unavailable, "Template's answer does not name the account")
                .hint("check the connection's `base_url`")
                .retry(Retry::Never)
        })
    }

    /// Sends operations on objects of one kind. Doing them twice ends as doing them once.
    pub(super) async fn write(&self, object: &str, body: Vec<u8>) -> Result<Json, ConnectorError> {
        let request = Request::write(format!("/{}/batch", escaped(object)), body, true);
        Ok(self.http.send(&request).await?.json.unwrap_or_default())
    }
}
