//! Klaviyo's calls.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::errors::{self, Refusal, VENDOR};
use super::options::Key;
use crate::contract::{ConnectorError, Kind, RateLimit};
use crate::http::json::{list, text};
use crate::http::{Answer, HttpClient, Narrow, Request, Verdict, escaped};

/// The media type of JSON:API.
const MEDIA: HeaderValue = HeaderValue::from_static("application/vnd.api+json");

/// The windows of an endpoint, of which each has two: so many a second, and so many a minute (`x-klaviyo-ratelimit` of the
/// vendor's description). One window keeps both: as many as a second allows, in as long as a minute allows them.
const fn lane(name: &'static str, requests: u32, seconds: u64) -> Narrow {
    Narrow { name, rate: RateLimit { requests, per: Duration::from_secs(seconds) } }
}

/// 10 a second, 150 a minute.
pub(super) const IMPORTS: Narrow = lane("imports begun", 10, 4);
const PROGRESS: Narrow = lane("questions for imports", 10, 4);
const ALL_IMPORTS: Narrow = lane("imports listed", 10, 4);
const IMPORT_ERRORS: Narrow = lane("errors of imports", 10, 4);
pub(super) const JOINS: Narrow = lane("members added", 10, 4);
pub(super) const LEAVES: Narrow = lane("members removed", 10, 4);
/// 75 a second, 750 a minute; other pages say 700.
pub(super) const UPSERTS: Narrow = lane("profiles upserted", 70, 6);
pub(super) const CREATES: Narrow = lane("profiles created", 70, 6);
pub(super) const UPDATES: Narrow = lane("profiles updated", 70, 6);
const LOOK_UPS: Narrow = lane("profiles read", 70, 6);
const LISTS: Narrow = lane("lists read", 70, 6);
pub(super) const SUPPRESSIONS: Narrow = lane("suppressions", 70, 6);
const SUPPRESSED: Narrow = lane("questions for suppressions", 70, 6);
pub(super) const SUBSCRIPTIONS: Narrow = lane("subscriptions", 70, 6);
/// 3 a second, 60 a minute.
pub(super) const DELETIONS: Narrow = lane("deletions", 3, 3);

/// Most elements of a page.
const PAGE: usize = 100;

/// What a job does; jobs of each kind have an address of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Work {
    #[default]
    Import,
    Suppression,
}

/// How far a job is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) created_at: String,
    pub(super) total: Option<u64>,
    pub(super) completed: Option<u64>,
    /// Of an import.
    pub(super) failed: Option<u64>,
    /// Of a suppression.
    pub(super) skipped: Option<u64>,
}

impl Job {
    pub(super) fn of(resource: &Json) -> Option<Self> {
        let attributes = resource.get("attributes")?;
        let count = |name: &str| attributes.get(name).and_then(Json::as_u64);
        Some(Job {
            id: text(resource, "id").filter(|id| !id.is_empty())?,
            status: text(attributes, "status")?,
            created_at: text(attributes, "created_at").unwrap_or_default(),
            total: count("total_count"),
            completed: count("completed_count"),
            failed: count("failed_count"),
            skipped: count("skipped_count"),
        })
    }

    /// Whether it is at work no more; one whose word is not known may go on.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.status.as_str(), "complete" | "cancelled")
    }
}

/// What came of a request for several profiles.
pub(super) enum Taken {
    Yes(Answer),
    /// It was refused whole, with no effect, for these of its profiles.
    No(Vec<(usize, Refusal)>),
}

#[derive(Clone)]
pub(super) struct Client {
    pub(super) http: HttpClient,
    pub(super) revision: HeaderValue,
}

impl Client {
    /// The same client for one session.
    pub(super) fn with(&self, http: HttpClient) -> Self {
        Client { http, revision: self.revision.clone() }
    }

    /// What every request carries.
    fn framed(&self, mut request: Request) -> Request {
        request.headers.insert("revision", self.revision.clone());
        request.headers.insert(ACCEPT, MEDIA);
        if request.body.is_some() {
            request.headers.insert(CONTENT_TYPE, MEDIA);
        }
        request
    }

    async fn send(&self, request: Request) -> Result<Answer, ConnectorError> {
        self.http.send(&self.framed(request)).await
    }

    async fn get(&self, path: String, narrow: Narrow) -> Result<Json, ConnectorError> {
        let answer = self.send(Request::get(path).within(narrow)).await?;
        answer.json.ok_or_else(|| VENDOR.not_understood("there is no body"))
    }

    /// As [`Self::send`], where the refusal may name some of so many profiles.
    async fn send_many(&self, request: Request, profiles: usize) -> Result<Taken, ConnectorError> {
        let judge = |answer: &Answer| match errors::named(answer, profiles).is_empty() {
            false => Verdict::Success,
            true => errors::judge(answer).map_or(Verdict::ByStatus, Verdict::Failure),
        };
        let answer = self.http.send_judged(&self.framed(request), &judge).await?;
        match answer.is_success() {
            true => Ok(Taken::Yes(answer)),
            false => Ok(Taken::No(errors::named(&answer, profiles))),
        }
    }

    /// The account's id. Its narrow window, one a second, is left to the refusals: it is asked for once in a run.
    pub(super) async fn account(&self) -> Result<String, ConnectorError> {
        let answer = self.send(Request::get("/api/accounts")).await?;
        let id =
            answer.json.as_ref().and_then(|body| list(body, "data").find_map(|account| text(account, "id")));
        id.ok_or_else(|| VENDOR.not_understood("there is no account"))
    }

    /// # Errors
    /// [`Kind::Config`] for a list that is not there.
    pub(super) async fn list(&self, id: &str) -> Result<(), ConnectorError> {
        let read = self.get(format!("/api/lists/{}", escaped(id)), LISTS).await;
        let read =
            read.map_err(|error| if errors::is_absent(&error) { no_list(id, error) } else { error })?;
        match read.get("data").and_then(|list| text(list, "id")) {
            Some(_) => Ok(()),
            None => Err(VENDOR.not_understood("a list has no `id`")),
        }
    }

    /// Profiles with these values of the key, each with its id and its own value. Few enough for one page.
    pub(super) async fn profiles(
        &self,
        key: Key,
        values: &[String],
    ) -> Result<Vec<(String, String)>, ConnectorError> {
        let fields = if key == Key::Id { "email" } else { key.field() };
        let body = self.filtered(key, values, fields).await?;
        let each = list(&body, "data").filter_map(|profile| {
            let id = text(profile, "id")?;
            let value = match key {
                Key::Id => id.clone(),
                _ => text(profile.get("attributes")?, key.field())?,
            };
            Some((id, value))
        });
        Ok(each.collect())
    }

    /// The `subscriptions` of the profiles with these ids, each with its id. Few enough for one page.
    pub(super) async fn subscriptions(&self, ids: &[String]) -> Result<Vec<(String, Json)>, ConnectorError> {
        let fields = "subscriptions&additional-fields%5Bprofile%5D=subscriptions";
        let body = self.filtered(Key::Id, ids, fields).await?;
        let each = list(&body, "data").filter_map(|profile| {
            let agreed = profile.get("attributes")?.get("subscriptions")?;
            Some((text(profile, "id")?, agreed.clone()))
        });
        Ok(each.collect())
    }

    /// The page of profiles with these values of the key; `fields` says what of them, and may go on with the query.
    async fn filtered(&self, key: Key, values: &[String], fields: &str) -> Result<Json, ConnectorError> {
        let quoted: Vec<String> = values.iter().map(|value| Json::from(value.as_str()).to_string()).collect();
        let filter = escaped(&format!("any({},[{}])", key.field(), quoted.join(",")));
        let path =
            format!("/api/profiles?filter={filter}&fields%5Bprofile%5D={fields}&page%5Bsize%5D={PAGE}");
        let label = Some(format!("/api/profiles?filter=any({},..)", key.field()));
        let request = Request { label, ..Request::get(path).within(LOOK_UPS) };
        let body = self.send(request).await?.json.unwrap_or_default();
        if next(&body).is_some() || !body.get("data").is_some_and(Json::is_array) {
            return Err(
                VENDOR.not_understood("the profiles asked for have no `data`, or more than were asked for")
            );
        }
        Ok(body)
    }

    /// Creates or updates a profile.
    pub(super) async fn upsert(&self, body: Vec<u8>) -> Result<Answer, ConnectorError> {
        self.send(Request::write("/api/profile-import", body, true).within(UPSERTS)).await
    }

    /// Creates a profile; not repeated after a lost answer.
    pub(super) async fn create(&self, body: Vec<u8>) -> Result<Answer, ConnectorError> {
        self.send(Request::write("/api/profiles", body, false).within(CREATES)).await
    }

    /// Changes a profile that exists; [`errors::is_absent`] where there is none.
    pub(super) async fn update(&self, id: &str, body: Vec<u8>) -> Result<Answer, ConnectorError> {
        let path = format!("/api/profiles/{}", escaped(id));
        self.send(Request::write(path, body, true).by(Method::PATCH).within(UPDATES)).await
    }

    /// Begins an import of so many profiles. It is not repeated after a lost answer: what was left could end after what is
    /// sent later.
    pub(super) async fn import(&self, body: Vec<u8>, profiles: usize) -> Result<Taken, ConnectorError> {
        let request = Request::write("/api/profile-bulk-import-jobs", body, false).within(IMPORTS);
        self.send_many(request, profiles).await
    }

    pub(super) async fn job(&self, work: Work, id: &str) -> Result<Job, ConnectorError> {
        let (path, narrow) = match work {
            Work::Import => ("/api/profile-bulk-import-jobs", PROGRESS),
            Work::Suppression => ("/api/profile-suppression-bulk-create-jobs", SUPPRESSED),
        };
        let body = self.get(format!("{path}/{}", escaped(id)), narrow).await?;
        let job = body.get("data").and_then(Job::of);
        job.ok_or_else(|| VENDOR.not_understood("a job has no `status`"))
    }

    /// Imports of the account that have not ended, the oldest first.
    pub(super) async fn open_jobs(&self, most_pages: usize) -> Result<Vec<Job>, ConnectorError> {
        let filter = escaped("any(status,[\"queued\",\"processing\"])");
        let path = format!("/api/profile-bulk-import-jobs?filter={filter}&sort=created_at");
        let (jobs, _) = self.pages(path, ALL_IMPORTS, most_pages).await?;
        Ok(jobs.iter().filter_map(Job::of).collect())
    }

    /// The errors of an import, each by its attributes, and whether these are all.
    pub(super) async fn import_errors(
        &self,
        id: &str,
        most_pages: usize,
    ) -> Result<(Vec<Json>, bool), ConnectorError> {
        let path = format!("/api/profile-bulk-import-jobs/{}/import-errors?", escaped(id));
        let (errors, all) = self.pages(path, IMPORT_ERRORS, most_pages).await?;
        let attributes = |mut error: Json| error.get_mut("attributes").map(Json::take).unwrap_or_default();
        Ok((errors.into_iter().map(attributes).collect(), all))
    }

    /// The elements of at most so many pages, and whether these are all.
    async fn pages(
        &self,
        path: String,
        narrow: Narrow,
        most: usize,
    ) -> Result<(Vec<Json>, bool), ConnectorError> {
        let first = if path.ends_with('?') { "" } else { "&" };
        let path = format!("{path}{first}page%5Bsize%5D={PAGE}");
        let (mut all, mut cursor) = (Vec::new(), None::<String>);
        for _ in 0..most {
            let more =
                cursor.as_ref().map(|cursor| format!("&page%5Bcursor%5D={cursor}")).unwrap_or_default();
            let mut body = self.get(format!("{path}{more}"), narrow).await?;
            let Some(Json::Array(page)) = body.get_mut("data").map(Json::take) else {
                return Err(VENDOR.not_understood("a page has no `data`"));
            };
            all.extend(page);
            match next(&body) {
                None => return Ok((all, true)),
                // A page that names itself would be read for ever.
                Some(next) if Some(&next) == cursor.as_ref() => break,
                Some(next) => cursor = Some(next),
            }
        }
        Ok((all, false))
    }

    /// Puts so many profiles on a list or takes them off.
    ///
    /// # Errors
    /// [`Kind::Config`] for a list that is not there; [`errors::is_absent`] where one of the profiles is not.
    pub(super) async fn members(
        &self,
        list: &str,
        adds: bool,
        (body, profiles): (Vec<u8>, usize),
    ) -> Result<Taken, ConnectorError> {
        let path = format!("/api/lists/{}/relationships/profiles", escaped(list));
        let (method, narrow) = if adds { (Method::POST, JOINS) } else { (Method::DELETE, LEAVES) };
        let taken =
            self.send_many(Request::write(path, body, true).by(method).within(narrow), profiles).await;
        match taken {
            // What is not there is not always said: the list, or one of the profiles.
            Err(error) if errors::is_absent(&error) => {
                self.list(list).await.map_err(errors::not_asked)?;
                Err(error)
            }
            taken => taken,
        }
    }

    /// Subscribes profiles. A repeat could ask them for their confirmation twice, so a lost answer is not made good here.
    pub(super) async fn subscribe(&self, body: Vec<u8>, profiles: usize) -> Result<Taken, ConnectorError> {
        let path = "/api/profile-subscription-bulk-create-jobs";
        self.send_many(Request::write(path, body, false).within(SUBSCRIPTIONS), profiles).await
    }

    pub(super) async fn suppress(&self, body: Vec<u8>, profiles: usize) -> Result<Taken, ConnectorError> {
        let path = "/api/profile-suppression-bulk-create-jobs";
        self.send_many(Request::write(path, body, true).within(SUPPRESSIONS), profiles).await
    }

    /// Asks for one profile to be removed for good.
    pub(super) async fn delete(&self, body: Vec<u8>) -> Result<Answer, ConnectorError> {
        self.send(Request::write("/api/data-privacy-deletion-jobs", body, true).within(DELETIONS)).await
    }
}

/// The cursor of the page behind this one, as its link has it: already escaped.
fn next(body: &Json) -> Option<String> {
    let link = body.get("links").and_then(|links| text(links, "next"))?;
    let (_, query) = link.split_once('?')?;
    query.split('&').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let is_cursor = name == "page[cursor]" || name.eq_ignore_ascii_case("page%5Bcursor%5D");
        (is_cursor && !value.is_empty()).then(|| value.to_owned())
    })
}

fn no_list(id: &str, error: ConnectorError) -> ConnectorError {
    let message = format!("Klaviyo has no list `{id}`: {}", error.message);
    ConnectorError { kind: Kind::Config, message, ..error }
        .hint("check `destination.list`: the id that the list's address in Klaviyo ends with")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_next_page_is_found_by_its_cursor_alone() {
        let link = |link: Json| next(&json!({"links": {"self": "x", "next": link}}));
        let cursor = Some("bmV4%3D".to_owned());
        assert_eq!(
            link(json!("https://a.klaviyo.com/api/x?page%5Bsize%5D=100&page%5Bcursor%5D=bmV4%3D")),
            cursor
        );
        assert_eq!(link(json!("https://evil.example/api/x?page[cursor]=bmV4%3D")), cursor);
        for none in [json!(null), json!("https://a.klaviyo.com/api/x"), json!("?page%5Bcursor%5D=")] {
            assert_eq!(link(none), None);
        }
    }
}
