//! Lists, and taking contacts off them.

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use super::{Account, absent, jobs, refused};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{State, object};

pub(super) struct Lists(Vec<(String, String)>);

impl Lists {
    /// `marketing_lists: {Newsletter: ca7a3796-e8a8-4029-9ccb-df8937940562}`
    pub(super) fn declared(lists: Option<&Json>) -> Result<Self, String> {
        let Some(lists) = lists else { return Ok(Lists(Vec::new())) };
        let mut declared: Vec<(String, String)> = Vec::new();
        for (name, id) in object(lists, "`marketing_lists`")? {
            let id = id.as_str().filter(|id| id.len() == 36);
            let id = id
                .ok_or_else(|| format!("`marketing_lists.{name}` must be the list's id, of 36 characters"))?;
            if declared.iter().any(|(_, known)| known == id) {
                return Err(format!("`marketing_lists.{name}` has the id of another list"));
            }
            declared.push((name.clone(), id.to_owned()));
        }
        Ok(Lists(declared))
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.0.iter().any(|(_, known)| known == id)
    }
}

pub(super) fn answer(
    account: &Account,
    (method, path): (&str, &[&str]),
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let shown = |(name, id): &(String, String)| json!({"id": id, "name": name, "contact_count": 0});
    let all = &account.lists.0;
    match (method, path) {
        ("GET", []) => {
            let all: Vec<Json> = all.iter().map(shown).collect();
            Ok(Answer::new(StatusCode::OK, json!({"result": all})))
        }
        ("GET", [id]) => Ok(match all.iter().find(|(_, known)| known == id) {
            Some(list) => Answer::new(StatusCode::OK, shown(list)),
            None => absent("list not found"),
        }),
        ("DELETE", [id, "contacts"]) if account.lists.has(id) => {
            let ids: Vec<&str> = request
                .query("contact_ids")
                .unwrap_or_default()
                .split(',')
                .filter(|id| !id.is_empty())
                .collect();
            if ids.is_empty() {
                return Ok(refused("contact_ids", "contact_ids is required"));
            }
            let job = jobs::begin(account, "leave", json!({"ids": ids, "list": id}), state)?;
            Ok(Answer::new(StatusCode::ACCEPTED, json!({"job_id": job})))
        }
        _ => Ok(absent("list not found")),
    }
}
