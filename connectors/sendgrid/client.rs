//! SendGrid's calls.

use std::collections::HashMap;

use reqwest::Method;
use serde_json::{Value as Json, json};

use super::errors::{self, VENDOR};
use super::fields::Definitions;
use super::jobs::Job;
use super::options::Key;
use crate::contract::{ConnectorError, Kind, Outcome};
use crate::http::json::{list, text};
use crate::http::{Answer, HttpClient, Request, Verdict, escaped};

const CONTACTS: &str = "/v3/marketing/contacts";
const IMPORTS: &str = "/v3/marketing/contacts/imports";
const FIELDS: &str = "/v3/marketing/field_definitions";

#[derive(Clone)]
pub(super) struct Client {
    pub(super) http: HttpClient,
}

/// What became of a call with contacts.
#[derive(Debug)]
pub(super) enum Taken {
    /// By the job of this id.
    Job(String),
    /// It was refused whole for these contacts of it.
    Refused(Vec<(usize, Outcome)>),
}

/// An import that waits for its file.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) job: String,
    pub(super) uri: String,
    pub(super) headers: Vec<(String, String)>,
}

impl Client {
    /// The account's id.
    pub(super) async fn account(&self) -> Result<String, ConnectorError> {
        let body = self.http.send(&Request::get("/v3/user/username")).await?.json.unwrap_or_default();
        text(&body, "user_id").ok_or_else(|| VENDOR.not_understood("the user has no `user_id`"))
    }

    pub(super) async fn definitions(&self) -> Result<Definitions, ConnectorError> {
        let body = self.http.send(&Request::get(FIELDS)).await?.json.unwrap_or_default();
        Definitions::read(&body).ok_or_else(|| VENDOR.not_understood("there are no definitions of fields"))
    }

    /// Creates a custom field; not repeated after a lost answer.
    pub(super) async fn create_field(&self, name: &str, kind: &str) -> Result<(), ConnectorError> {
        let body = json!({"name": name, "field_type": kind});
        self.http.send(&Request::write(FIELDS, body.to_string().into_bytes(), false)).await.map(drop)
    }

    /// Checks that a list is there.
    ///
    /// # Errors
    /// [`Kind::Config`] for one that is not.
    pub(super) async fn list(&self, id: &str) -> Result<(), ConnectorError> {
        let answer = self.http.send(&Request::get(format!("/v3/marketing/lists/{id}"))).await;
        answer.map(drop).map_err(|error| {
            // Of lists the vendor's document shows an error that is no object (`tsg_mc_lists_v3.json`).
            let is_gone = error.code.as_deref() == Some("NOT_FOUND") || error.kind == Kind::Rejected;
            match errors::is_absent(&error) || is_gone {
                true => no_list(id, error),
                false => error,
            }
        })
    }

    /// Upserts contacts. It is not repeated after a lost answer: the job that was left could end after what is sent later.
    pub(super) async fn upsert(&self, body: Vec<u8>) -> Result<Taken, ConnectorError> {
        let request = Request::write(CONTACTS, body, false).by(Method::PUT);
        let answer = self.http.send_judged(&request, &by_contact).await?;
        if answer.is_success() {
            return job_of(&answer).map(Taken::Job);
        }
        Ok(Taken::Refused(errors::named(&answer.json.unwrap_or_default())))
    }

    /// Removes contacts for good.
    pub(super) async fn delete(&self, ids: &[&str]) -> Result<String, ConnectorError> {
        self.remove(format!("{CONTACTS}?ids="), ids).await
    }

    /// Takes contacts off a list.
    pub(super) async fn take_off(&self, list: &str, ids: &[&str]) -> Result<String, ConnectorError> {
        self.remove(format!("/v3/marketing/lists/{list}/contacts?contact_ids="), ids).await
    }

    async fn remove(&self, path: String, ids: &[&str]) -> Result<String, ConnectorError> {
        let path = format!("{path}{}", escaped(&ids.join(",")));
        let request = Request::write(path, Vec::new(), true).by(Method::DELETE);
        job_of(&self.http.send(&Request { body: None, ..request }).await?)
    }

    /// Asks for an import, of which nothing comes before its file is there; a second one after a lost answer is harmless.
    pub(super) async fn import(&self, lists: &[String], columns: &[&str]) -> Result<Upload, ConnectorError> {
        let mut body = json!({"file_type": "csv", "field_mappings": columns});
        if !lists.is_empty() {
            body["list_ids"] = json!(lists);
        }
        let request = Request::write(IMPORTS, body.to_string().into_bytes(), true).by(Method::PUT);
        let answer = self.http.send(&request).await?;
        let job = job_of(&answer)?;
        let body = answer.json.unwrap_or_default();
        let headers =
            list(&body, "upload_headers").filter_map(|one| Some((text(one, "header")?, text(one, "value")?)));
        match text(&body, "upload_uri") {
            Some(uri) => Ok(Upload { job, uri, headers: headers.collect() }),
            // Without its file it does nothing.
            None => Err(VENDOR.not_understood("an import has no `upload_uri`")),
        }
    }

    /// How far a job is; `None` for one that SendGrid does not know.
    pub(super) async fn job(&self, id: &str) -> Result<Option<Job>, ConnectorError> {
        match self.http.send(&Request::get(format!("{IMPORTS}/{}", escaped(id)))).await {
            Ok(answer) => match answer.json.as_ref().and_then(Job::read) {
                Some(job) => Ok(Some(job)),
                None => Err(VENDOR.not_understood("a job has no `status`")),
            },
            Err(error) if errors::is_absent(&error) || error.kind == Kind::Rejected => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What a search by an identifier says of each text that it names, `{"contact": ..}` or `{"error": ..}`; `None` where
    /// SendGrid has none of these contacts.
    ///
    /// # Errors
    /// [`Kind::Rejected`] where one of the texts is no such identifier.
    pub(super) async fn search(
        &self,
        key: Key,
        texts: &[&str],
    ) -> Result<Option<HashMap<String, Json>>, ConnectorError> {
        let path = format!("{CONTACTS}/search/identifiers/{}", key.field());
        let body = json!({"identifiers": texts}).to_string().into_bytes();
        let body = match self.http.send(&Request::query(path, body)).await {
            Ok(answer) => answer.json.unwrap_or_default(),
            Err(error) if errors::is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some(result) = body.get("result").and_then(Json::as_object) else {
            return Err(VENDOR.not_understood("a search has no `result`"));
        };
        Ok(Some(result.iter().map(|(text, entry)| (text.clone(), entry.clone())).collect()))
    }
}

/// A refusal that names contacts is an answer about them.
fn by_contact(answer: &Answer) -> Verdict {
    let names = || answer.json.as_ref().is_some_and(|body| !errors::named(body).is_empty());
    match answer.status {
        400 if names() => Verdict::Success,
        _ => errors::judge(answer).map_or(Verdict::ByStatus, Verdict::Failure),
    }
}

/// The id of the job that works on what was taken.
fn job_of(answer: &Answer) -> Result<String, ConnectorError> {
    answer.text("job_id").filter(|id| !id.is_empty()).map(str::to_owned).ok_or_else(|| {
        ConnectorError::new(Kind::Ambiguous, "SendGrid took a call, but its answer names no job")
    })
}

fn no_list(id: &str, error: ConnectorError) -> ConnectorError {
    let message = format!("SendGrid has no list {id}: {}", error.message);
    ConnectorError { kind: Kind::Config, message, ..error }.hint(
        "check `destination.list` or `lists`: the address of a list's page in SendGrid ends with its id",
    )
}
