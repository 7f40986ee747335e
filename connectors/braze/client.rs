//! Braze's calls.

use std::time::Duration;

use serde_json::Value as Json;

use super::errors::{self, VENDOR};
use super::options::Api;
use crate::contract::{ConnectorError, RateLimit};
use crate::http::json::{list, text};
use crate::http::{Answer, HttpClient, Narrow, Request, Verdict};

/// Most bytes of a body: 4 MB of most calls, 2 MB of the bulk one (<https://www.braze.com/docs/api/api_limits/>), taken for
/// thousands.
pub(super) const LONGEST_BODY: usize = 4_000_000;
pub(super) const LONGEST_BULK: usize = 2_000_000;

/// Most objects of a bulk request, and most users of a removal.
pub(super) const BULK: usize = 1000;
pub(super) const REMOVALS: usize = 50;

/// Exports of custom attributes, counted by the clock's hour.
const EXPORTS: Narrow =
    Narrow { name: "exports", rate: RateLimit { requests: 1000, per: Duration::from_secs(3600) } };

/// Calls of the bulk endpoint.
pub(super) const BULKS: Narrow =
    Narrow { name: "bulk", rate: RateLimit { requests: 50, per: Duration::from_secs(1) } };

/// Removals, which share a limit with the calls for aliases.
pub(super) const USERS: Narrow =
    Narrow { name: "users", rate: RateLimit { requests: 20_000, per: Duration::from_secs(60) } };

/// Of 50 attributes each; no workspace is known to have so many.
const PAGES: usize = 200;

const ATTRIBUTES: &str = "/custom_attributes";

#[derive(Clone)]
pub(super) struct Client {
    pub(super) http: HttpClient,
}

/// A custom attribute that the workspace knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) name: String,
    /// In Braze's words, as far as it is told.
    pub(super) data_type: String,
    /// What is sent of it is dropped.
    pub(super) is_blocked: bool,
}

impl Client {
    /// Asks something that changes nothing, to learn whether the key is known: Braze has no call that names the workspace.
    ///
    /// # Errors
    /// [`Kind::Auth`](crate::contract::Kind::Auth) for a key that is not known, or may not list custom attributes.
    pub(super) async fn knock(&self) -> Result<(), ConnectorError> {
        self.page(None).await.map(drop)
    }

    /// The custom attributes of the workspace.
    ///
    /// # Errors
    /// As [`Self::knock`].
    pub(super) async fn custom_attributes(&self) -> Result<Vec<Known>, ConnectorError> {
        let (mut known, mut next) = (Vec::new(), None::<String>);
        for _ in 0..PAGES {
            let (page, cursor) = self.page(next.as_deref()).await?;
            known.extend(page);
            match cursor {
                Some(cursor) if next.as_ref() != Some(&cursor) => next = Some(cursor),
                _ => return Ok(known),
            }
        }
        tracing::warn!("the workspace has more custom attributes than are looked at: {}", known.len());
        Ok(known)
    }

    async fn page(&self, cursor: Option<&str>) -> Result<(Vec<Known>, Option<String>), ConnectorError> {
        let path =
            cursor.map_or_else(|| ATTRIBUTES.to_owned(), |cursor| format!("{ATTRIBUTES}?cursor={cursor}"));
        let answer = self.http.send(&Request::get(path).within(EXPORTS)).await?;
        let body = answer.json.as_ref().unwrap_or(&Json::Null);
        if !body.get("attributes").is_some_and(Json::is_array) {
            return Err(VENDOR.not_understood("it lists no custom attributes"));
        }
        let known = list(body, "attributes").filter_map(|attribute| {
            let is_blocked =
                text(attribute, "status").is_some_and(|status| status.eq_ignore_ascii_case("blocklisted"));
            let data_type = text(attribute, "data_type").unwrap_or_default();
            Some(Known { name: text(attribute, "name")?, data_type, is_blocked })
        });
        Ok((known.collect(), answer.header("link").and_then(cursor_of)))
    }

    /// Queues objects of users. An answer of 400 that names each object which it refuses counts as one about objects.
    pub(super) async fn track(
        &self,
        api: Api,
        body: Vec<u8>,
        repeatable: bool,
    ) -> Result<Answer, ConnectorError> {
        let request = match api {
            Api::Track => Request::write("/users/track", body, repeatable),
            Api::Bulk => Request::write("/users/track/bulk", body, repeatable).within(BULKS),
        };
        let judge = |answer: &Answer| match errors::names_objects(answer) {
            true => Verdict::Success,
            false => errors::judge(answer).map_or(Verdict::ByStatus, Verdict::Failure),
        };
        self.http.send_judged(&request, &judge).await
    }

    /// Removes users for good. Who is not there counts as removed.
    pub(super) async fn delete(&self, body: Vec<u8>) -> Result<Answer, ConnectorError> {
        self.http.send(&Request::write("/users/delete", body, true).within(USERS)).await
    }
}

/// The cursor of the next page, by a header such as `<https://..?cursor=abc>; rel="next"`; as it is escaped there.
fn cursor_of(link: &str) -> Option<String> {
    let next = link.split(',').find(|part| part.contains("rel=\"next\"") || part.contains("rel=next"))?;
    let address = next.split_once('<')?.1.split_once('>')?.0;
    let cursor = address.split(['?', '&']).find_map(|pair| pair.strip_prefix("cursor="))?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"%-_.~=+/".contains(&byte);
    Some(cursor.to_owned()).filter(|cursor| !cursor.is_empty() && cursor.bytes().all(is_plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_named_by_a_link() {
        let link = r#"<https://rest.iad-03.braze.com/custom_attributes?cursor=c2tpcDow>; rel="prev", <https://rest.iad-03.braze.com/custom_attributes?cursor=c2tp%3D>; rel="next""#;
        assert_eq!(cursor_of(link).as_deref(), Some("c2tp%3D"));
        for none in
            ["", r#"<https://x/custom_attributes?cursor=a>; rel="prev""#, r#"<https://x>; rel="next""#]
        {
            assert_eq!(cursor_of(none), None, "{none}");
        }
        assert_eq!(cursor_of(r#"<https://x?cursor=a b>; rel="next""#), None);
    }
}
