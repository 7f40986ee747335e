//! The calls that read: one object, a batch, a search.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::batch::completed;
use super::properties::ObjectType;
use super::{BATCH, Route, comparable, error, find, id_property, invalid, missing, parse, show};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{Object, State};

/// Most results of one page of a search.
const PAGE: usize = 200;
/// A search reaches no further.
const REACH: usize = 10_000;

/// The properties that a read answers with: those it names, or the type's usual ones.
fn wanted(kind: &ObjectType, named: Vec<String>) -> Vec<String> {
    match named.is_empty() {
        true => kind.default_properties.iter().map(|name| (*name).to_owned()).collect(),
        false => named,
    }
}

/// `GET .../{id}?properties=a,b&idProperty=email`.
pub(super) fn one(
    kind: &ObjectType,
    id: &str,
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let property = match request.query("idProperty").map(|name| id_property(kind, name)).transpose() {
        Ok(property) => property,
        Err(refusal) => return Ok(refusal),
    };
    let named = request.query.iter().filter(|(key, _)| key == "properties");
    let named = named.flat_map(|(_, value)| value.split(',')).map(str::to_owned).collect();
    let found = match request.query("archived") {
        Some("true") => state.get(&kind.name, id)?.filter(|object| object.archived),
        _ => find(kind, property, &decode(id), state)?,
    };
    Ok(match found {
        Some(object) => Answer::new(StatusCode::OK, show(kind, &object, Some(&wanted(kind, named)))),
        None => error(StatusCode::NOT_FOUND, "OBJECT_NOT_FOUND", "resource not found"),
    })
}

/// Percent-decoding of a path segment.
fn decode(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        rest = match (first, tail) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                bytes.push(hex(*high).unwrap_or(0) << 4 | hex(*low).unwrap_or(0));
                after
            }
            _ => {
                bytes.push(*first);
                tail
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct BatchRead {
    inputs: Vec<Id>,
    #[serde(default)]
    properties: Vec<String>,
    #[serde(default)]
    properties_with_history: Vec<String>,
    id_property: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Id {
    id: String,
}

/// `POST .../batch/read`; absent objects are listed in `errors`.
pub(super) fn batch(
    kind: &ObjectType,
    route: &Route<'_>,
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let started = Timestamp::now();
    let read = match parse::<BatchRead>(request) {
        Ok(read) => read,
        Err(refusal) => return Ok(refusal),
    };
    if read.inputs.is_empty() || read.inputs.len() > BATCH {
        let message = format!("The batch has {} inputs; allowed are 1 to {BATCH}", read.inputs.len());
        return Ok(invalid(&message));
    }
    if !read.properties_with_history.is_empty() {
        return Ok(invalid("The sandbox keeps no history; leave propertiesWithHistory empty"));
    }
    let property = match read.id_property.as_deref().map(|name| id_property(kind, name)).transpose() {
        Ok(property) => property,
        Err(refusal) => return Ok(refusal),
    };
    let wanted = wanted(kind, read.properties);
    let (mut results, mut absent) = (Vec::new(), Vec::new());
    for input in read.inputs {
        match find(kind, property, &input.id, state)? {
            Some(object) => results.push(show(kind, &object, Some(&wanted))),
            None => absent.push(input.id),
        }
    }
    results.reverse();
    let errors = if absent.is_empty() {
        Vec::new()
    } else {
        vec![json!({
            "status": "error", "category": "OBJECT_NOT_FOUND", "message": missing(kind),
            "context": {"ids": absent},
        })]
    };
    Ok(completed(started, false, route, results, errors))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Search {
    #[serde(default)]
    filter_groups: Vec<FilterGroup>,
    #[serde(default)]
    properties: Vec<String>,
    limit: Option<usize>,
    after: Option<String>,
    #[serde(default)]
    sorts: Vec<Json>,
    query: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilterGroup {
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Filter {
    property_name: String,
    operator: String,
    value: Option<String>,
    #[serde(default)]
    values: Vec<String>,
}

impl Filter {
    fn refusal(&self, kind: &ObjectType) -> Option<Answer> {
        if !kind.properties.contains_key(&self.property_name) {
            return Some(invalid(&format!(
                "There was a problem with the request: no property {}",
                self.property_name
            )));
        }
        let operators = ["EQ", "NEQ", "IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY"];
        let known = operators.contains(&self.operator.as_str());
        let message = || format!("The sandbox's search knows {operators:?}, not {}", self.operator);
        (!known).then(|| invalid(&message()))
    }

    /// Text is compared without regard to case, as the vendor's search does.
    fn matches(&self, kind: &ObjectType, object: &Object) -> bool {
        let shown = show(kind, object, None);
        let value = shown["properties"][&self.property_name].as_str().map(str::to_lowercase);
        let same = |wanted: &String| {
            value.as_deref() == Some(comparable(kind, &self.property_name, wanted).to_lowercase().as_str())
        };
        match self.operator.as_str() {
            "EQ" => self.value.as_ref().is_some_and(same),
            "NEQ" => value.is_some() && !self.value.as_ref().is_some_and(same),
            "IN" => self.values.iter().any(same),
            "HAS_PROPERTY" => value.is_some(),
            _ => value.is_none(),
        }
    }
}

/// `POST .../search`: groups are joined by or, the filters of a group by and.
pub(super) fn search(kind: &ObjectType, request: &Request, state: &State<'_>) -> rusqlite::Result<Answer> {
    let search = match parse::<Search>(request) {
        Ok(search) => search,
        Err(refusal) => return Ok(refusal),
    };
    if !search.sorts.is_empty() || search.query.is_some_and(|query| !query.is_empty()) {
        return Ok(invalid("The sandbox's search has filters only, no sorts and no query"));
    }
    let filters = search.filter_groups.iter().flat_map(|group| &group.filters);
    if let Some(refusal) = filters.filter_map(|filter| filter.refusal(kind)).next() {
        return Ok(refusal);
    }
    let after = match search.after.as_deref().map(str::parse::<usize>) {
        None => 0,
        Some(Ok(after)) => after,
        Some(Err(_)) => return Ok(invalid("after must be the cursor of an earlier page")),
    };
    let limit = search.limit.unwrap_or(10);
    if limit > PAGE || after + limit > REACH {
        return Ok(invalid(&format!("A page has at most {PAGE} results, and a search {REACH}")));
    }
    let wanted = wanted(kind, search.properties);
    let (mut total, mut results) = (0, Vec::new());
    state.scan(&kind.name, |object| {
        let groups = &search.filter_groups;
        let fits = |group: &FilterGroup| group.filters.iter().all(|filter| filter.matches(kind, &object));
        if !object.archived && (groups.is_empty() || groups.iter().any(fits)) {
            if total >= after && results.len() < limit {
                results.push(show(kind, &object, Some(&wanted)));
            }
            total += 1;
        }
        true
    })?;
    let mut body = json!({"total": total, "results": results});
    if total > after + limit {
        body["paging"] = json!({"next": {"after": (after + limit).to_string()}});
    }
    Ok(Answer::new(StatusCode::OK, body))
}
