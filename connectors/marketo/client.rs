//! Marketo's calls.

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::{Value as Json, json};

use super::answers;
use super::errors::{self, VENDOR};
use super::failures::File;
use super::fields;
use super::jobs::Job;
use super::options::ID;
use crate::contract::{Catalog, ConnectorError, Kind, Outcome, Verb};
use crate::http::json::{list, text};
use crate::http::{HttpClient, Request, escaped};

const LEADS: &str = "/rest/v1/leads.json";

/// Pages of one look-up at most: it finds up to 1,000 leads, 300 a page.
const PAGES: usize = 10;

#[derive(Clone)]
pub(super) struct Client {
    pub(super) http: HttpClient,
}

/// A lead that a look-up found: its id, and what stands in the field that was asked for.
pub(super) type Lead = (String, String);

impl Client {
    /// Calls of the instance so far today; it needs no permission, so it shows whether the token is good.
    pub(super) async fn usage(&self) -> Result<(), ConnectorError> {
        self.http.send(&Request::get("/rest/v1/stats/usage.json")).await.map(drop)
    }

    pub(super) async fn catalog(&self) -> Result<Catalog, ConnectorError> {
        let answer = self.http.send(&Request::get("/rest/v1/leads/describe2.json")).await?;
        let read = answer.json.as_ref().and_then(fields::catalog);
        read.ok_or_else(|| VENDOR.not_understood("there is no description of leads"))
    }

    /// Checks that a static list is there.
    ///
    /// # Errors
    /// [`Kind::Config`] for one that is not.
    pub(super) async fn list(&self, id: u64) -> Result<(), ConnectorError> {
        let body = match self.http.send(&Request::get(format!("/rest/v1/lists/{id}.json"))).await {
            Ok(answer) => answer.json.unwrap_or_default(),
            Err(error) if errors::is_absent(&error) => Json::Null,
            Err(error) => return Err(error),
        };
        match list(&body, "result").any(|found| text(found, "id") == Some(id.to_string())) {
            true => Ok(()),
            false => {
                let message = format!("Marketo has no static list {id}");
                let hint =
                    "check `destination.list`: the number behind `ST` in the address of the list's page";
                Err(ConnectorError::new(Kind::Config, message).hint(hint))
            }
        }
    }

    /// Sends leads. A lost answer is not followed by a second call for what may make leads: before the first one returns, that
    /// would make duplicates (`leads.md`, the note of "Create and Update").
    pub(super) async fn sync(&self, verb: Verb, body: Vec<u8>) -> Result<Json, ConnectorError> {
        let request = Request::write(LEADS, body, verb == Verb::Update);
        Ok(self.http.send(&request).await?.json.unwrap_or_default())
    }

    /// Removes leads for good.
    pub(super) async fn delete(&self, ids: &[&str]) -> Result<Json, ConnectorError> {
        let request = Request::write("/rest/v1/leads/delete.json", inputs(ids), true);
        Ok(self.http.send(&request).await?.json.unwrap_or_default())
    }

    /// Puts leads on a static list.
    pub(super) async fn put_on(&self, list: u64, ids: &[&str]) -> Result<Json, ConnectorError> {
        let request = Request::write(format!("/rest/v1/lists/{list}/leads.json"), inputs(ids), true);
        Ok(self.http.send(&request).await?.json.unwrap_or_default())
    }

    /// Whether these leads are on a static list, in their order. What the answer does not confirm is not.
    pub(super) async fn on_list(&self, list: u64, ids: &[&str]) -> Result<Vec<bool>, ConnectorError> {
        let path = format!("/rest/v1/lists/{list}/leads/ismember.json?{}", named(ids));
        let body = self.http.send(&Request::get(path)).await?.json.unwrap_or_default();
        let told = answers::outcomes(&body, Verb::Join, ids.len());
        Ok(told.iter().map(|outcome| matches!(outcome, Outcome::Applied { .. })).collect())
    }

    /// Takes leads off a static list.
    pub(super) async fn take_off(&self, list: u64, ids: &[&str]) -> Result<Json, ConnectorError> {
        let path = format!("/rest/v1/lists/{list}/leads.json?{}", named(ids));
        let request = Request::write(path, Vec::new(), true).by(Method::DELETE);
        Ok(self.http.send(&Request { body: None, ..request }).await?.json.unwrap_or_default())
    }

    /// The leads that have one of these values in a field. The values stand in the address, which logs do not show.
    ///
    /// # Errors
    /// [`Kind::Rejected`] where the question itself is refused, as for more than 1,000 leads.
    pub(super) async fn leads(&self, field: &str, values: &[&str]) -> Result<Vec<Lead>, ConnectorError> {
        let (mut found, mut page) = (Vec::new(), None::<String>);
        let fields = if field == ID { ID.to_owned() } else { format!("{ID},{}", escaped(field)) };
        for _ in 0..PAGES {
            let next =
                page.as_deref().map(|page| format!("&nextPageToken={}", escaped(page))).unwrap_or_default();
            let question = format!("?filterType={}&fields={fields}", escaped(field));
            let path = format!("{LEADS}{question}&filterValues={}{next}", escaped(&values.join(",")));
            let label = Some(format!("{LEADS}{question}"));
            let body =
                self.http.send(&Request { label, ..Request::get(path) }).await?.json.unwrap_or_default();
            if body.get("result").is_none_or(|result| !result.is_array()) {
                return Err(VENDOR.not_understood("a look-up has no `result`"));
            }
            found
                .extend(list(&body, "result").filter_map(|lead| Some((text(lead, ID)?, text(lead, field)?))));
            page = text(&body, "nextPageToken").filter(|token| !token.is_empty());
            if page.is_none() {
                return Ok(found);
            }
        }
        Err(VENDOR.not_understood("a look-up has no end"))
    }

    /// Imports a file. A lost answer leaves an import of which nobody knows the number; it is not asked for again.
    pub(super) async fn import(
        &self,
        query: &str,
        file: (Vec<u8>, HeaderValue),
    ) -> Result<String, ConnectorError> {
        let (body, media) = file;
        let request = Request::write(format!("/bulk/v1/leads.json?{query}"), body, false).content_type(media);
        let body = self.http.send(&request).await?.json.unwrap_or_default();
        list(&body, "result").find_map(|job| text(job, "batchId").filter(|id| !id.is_empty())).ok_or_else(
            || {
                ConnectorError::new(
                    Kind::Ambiguous,
                    "Marketo took an import, but its answer has no `batchId`",
                )
            },
        )
    }

    /// How far an import is; `None` for one that Marketo does not know (any more).
    pub(super) async fn job(&self, id: &str) -> Result<Option<Job>, ConnectorError> {
        match self.http.send(&Request::get(format!("/bulk/v1/leads/batch/{}.json", escaped(id)))).await {
            Ok(answer) => {
                let body = answer.json.unwrap_or_default();
                match list(&body, "result").next().and_then(Job::read) {
                    Some(job) => Ok(Some(job)),
                    None => Err(VENDOR.not_understood("an import has no `status`")),
                }
            }
            Err(error) if errors::is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A file of an import: `failures` or `warnings`.
    pub(super) async fn file(&self, id: &str, name: &str) -> Result<Vec<u8>, ConnectorError> {
        let mut file = File::default();
        let path = format!("/bulk/v1/leads/batch/{}/{name}.json", escaped(id));
        self.http.download(&Request::get(path), &mut file).await?;
        Ok(file.bytes())
    }
}

/// `id=1&id=2`
fn named(ids: &[&str]) -> String {
    let query: Vec<String> = ids.iter().map(|id| format!("id={id}")).collect();
    query.join("&")
}

/// `{"input": [{"id": 1}, ..]}`
fn inputs(ids: &[&str]) -> Vec<u8> {
    let number = |id: &&str| id.parse::<u64>().map_or_else(|_| Json::from(*id), Json::from);
    let input: Vec<Json> = ids.iter().map(|id| json!({"id": number(id)})).collect();
    json!({"input": input}).to_string().into_bytes()
}
