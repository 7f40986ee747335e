//! Lists, and what stands below them.

use axum::http::StatusCode;
use serde_json::{Value as Json, json};

use super::{Account, absent, members, not_allowed, written};
use crate::sandbox::State;
use crate::sandbox::vendor::{Answer, Request};

/// The one category of the account's interests.
const CATEGORY: (&str, &str) = ("c0ffee0001", "Interests");

fn shown(id: &str, name: &str) -> Json {
    json!({"id": id, "name": name, "double_optin": false, "date_created": "2026-01-01T00:00:00+00:00"})
}

pub(super) fn all(account: &Account) -> Answer {
    let lists: Vec<Json> = account.audiences.iter().map(|(id, name)| shown(id, name)).collect();
    Answer::new(StatusCode::OK, json!({"total_items": lists.len(), "lists": lists}))
}

/// Answers what is asked below `/lists/{list}`.
pub(super) fn answer(
    account: &Account,
    list: &str,
    path: &[&str],
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    match (request.method.as_str(), path) {
        ("GET", []) => {
            let name = account.audiences.get(list).map_or("", String::as_str);
            Ok(Answer::new(StatusCode::OK, shown(list, name)))
        }
        ("POST", []) => written::many(account, list, request, state),
        ("GET", ["merge-fields"]) => account.merge_fields.list(state),
        ("POST", ["merge-fields"]) => account.merge_fields.create(request, state),
        ("GET", ["interest-categories"]) => {
            let (id, title) = CATEGORY;
            let categories = json!([{"list_id": list, "id": id, "title": title, "type": "checkboxes"}]);
            let categories = if account.interests.is_empty() { json!([]) } else { categories };
            Ok(Answer::new(StatusCode::OK, json!({"list_id": list, "categories": categories})))
        }
        ("GET", ["interest-categories", id, "interests"]) if *id == CATEGORY.0 => {
            let shown = |(id, name): (&String, &String)| json!({"list_id": list, "category_id": CATEGORY.0, "id": id, "name": name});
            let interests: Vec<Json> = account.interests.iter().map(shown).collect();
            Ok(Answer::new(StatusCode::OK, json!({"list_id": list, "interests": interests})))
        }
        ("GET", ["members"]) => members::page(account, list, request, state),
        ("POST", ["members"]) => written::add(account, list, request, state),
        ("PUT" | "PATCH", ["members", hash]) => written::one(account, (list, hash), request, state),
        (_, ["members", hash, rest @ ..]) => members::one(account, (list, hash), rest, request, state),
        (_, [] | ["members" | "merge-fields"]) => {
            Ok(not_allowed("The requested method and resource are not compatible."))
        }
        _ => Ok(absent()),
    }
}
