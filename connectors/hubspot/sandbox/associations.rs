//! Links between objects, `/crm/v4/associations`, in the shapes of the vendor's own client `@hubspot/api-client` 13.5.
//!
//! Both ends keep a link: each object of `associations/contacts/companies` has the id of a contact, and as properties the
//! ids of its companies, each with the kinds of its links. What only one end can say, as a pair of labels, is kept alike
//! at both.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value as Json, json};

use super::properties::{Catalogue, ObjectType};
use super::{error, format, invalid, parse};
use crate::sandbox::vendor::{Answer, Request};
use crate::sandbox::{Object, State, known_keys, object};

/// Most inputs of a call that writes, and of one that reads; the first is published for none but `create`.
const WRITTEN: usize = 2000;
const READ: usize = 1000;
/// Links of one object in an answer.
const PAGE: usize = 500;

/// A kind of link that the account named.
pub(super) struct Label {
    ends: (String, String),
    name: String,
    number: u64,
}

/// `associations: [{from: contacts, to: companies, label: Billing contact}]`
pub(super) fn labels(declared: Option<&Json>, catalogue: &Catalogue) -> Result<Vec<Label>, String> {
    let Some(declared) = declared else { return Ok(Vec::new()) };
    let Json::Array(items) = declared else { return Err("`associations` must be a list".into()) };
    let label = |(at, item): (usize, &Json)| {
        let place = format!("associations[{at}]");
        let entries = object(item, &format!("`{place}`"))?;
        known_keys(entries, &["from", "to", "label"], &format!("{place}."))?;
        let text = |key: &str| match entries.get(key) {
            Some(Json::String(text)) => Ok(text.as_str()),
            _ => Err(format!("`{place}.{key}` must be a text")),
        };
        let end = |key: &str| {
            let name = text(key)?;
            let kind = catalogue.get(name).map(|kind| kind.name.clone());
            kind.ok_or_else(|| format!("`{place}.{key}`: there is no object `{name}`"))
        };
        Ok(Label { ends: (end("from")?, end("to")?), name: text("label")?.to_owned(), number: at as u64 + 1 })
    };
    items.iter().enumerate().map(label).collect()
}

/// Numbers of HubSpot's own ordinary links; others the sandbox invents.
const ORDINARY: [(&str, &str, u64); 12] = [
    ("contacts", "companies", 279),
    ("companies", "contacts", 280),
    ("deals", "contacts", 3),
    ("contacts", "deals", 4),
    ("deals", "companies", 341),
    ("companies", "deals", 342),
    ("contacts", "tickets", 15),
    ("tickets", "contacts", 16),
    ("companies", "tickets", 340),
    ("tickets", "companies", 339),
    ("contacts", "contacts", 449),
    ("companies", "companies", 450),
];
const INVENTED: u64 = 9000;

fn ordinary(from: &ObjectType, to: &ObjectType) -> u64 {
    let found = ORDINARY.iter().find(|(a, b, _)| *a == from.name && *b == to.name);
    found.map_or(INVENTED, |(.., number)| *number)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inputs<T> {
    inputs: Vec<T>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Id {
    id: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Kind {
    association_category: String,
    association_type_id: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pair {
    from: Id,
    to: Id,
    types: Option<Vec<Kind>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Several {
    from: Id,
    to: Vec<Id>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fetch {
    id: String,
    after: Option<String>,
}

/// One request between two types of objects.
struct Call<'a> {
    labels: &'a [Label],
    from: &'a ObjectType,
    to: &'a ObjectType,
    request: &'a Request,
    state: &'a State<'a>,
}

pub(super) fn answer(
    labels: &[Label],
    (from, to): (&ObjectType, &ObjectType),
    path: &[&str],
    request: &Request,
    state: &State<'_>,
) -> rusqlite::Result<Answer> {
    let call = Call { labels, from, to, request, state };
    match (request.method.as_str(), path) {
        ("GET", ["labels"]) => Ok(Answer::new(StatusCode::OK, json!({"results": call.kinds()}))),
        ("POST", ["batch", "associate", "default"]) => call.write(None),
        ("POST", ["batch", "create"]) => call.write(Some(true)),
        ("POST", ["batch", "labels", "archive"]) => call.write(Some(false)),
        ("POST", ["batch", "archive"]) => call.archive(),
        ("POST", ["batch", "read"]) => call.read(),
        _ => Ok(error(StatusCode::NOT_FOUND, "OBJECT_NOT_FOUND", "resource not found")),
    }
}

impl Call<'_> {
    fn kinds(&self) -> Vec<Json> {
        let own =
            self.labels.iter().filter(|label| label.ends == (self.from.name.clone(), self.to.name.clone()));
        let ordinary =
            json!({"category": "HUBSPOT_DEFINED", "typeId": ordinary(self.from, self.to), "label": null});
        let own =
            own.map(|label| json!({"category": "USER_DEFINED", "typeId": label.number, "label": label.name}));
        [ordinary].into_iter().chain(own).collect()
    }

    fn inputs<T: DeserializeOwned>(&self, most: usize) -> Result<Vec<T>, Answer> {
        let Inputs { inputs } = parse::<Inputs<T>>(self.request)?;
        match inputs.len() {
            0 => Err(invalid("Invalid input JSON: the list of inputs is empty")),
            many if many > most => {
                Err(invalid(&format!("The batch has {many} inputs, but the maximum is {most}")))
            }
            _ => Ok(inputs),
        }
    }

    /// Makes links, or takes them away: the ordinary ones, or those of kinds that the inputs name.
    fn write(&self, named: Option<bool>) -> rusqlite::Result<Answer> {
        let started = Timestamp::now();
        let inputs = match self.inputs::<Pair>(WRITTEN) {
            Ok(inputs) => inputs,
            Err(refusal) => return Ok(refusal),
        };
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        for input in inputs {
            let kinds = match self.kinds_of(input.types, named.is_some()) {
                Ok(kinds) => kinds,
                Err(refusal) => return Ok(refusal),
            };
            if named == Some(false) {
                self.change((&input.from.id, &input.to.id), |known| {
                    known.retain(|kind| !kinds.contains(kind))
                })?;
                continue;
            }
            if let Some(missing) = self.missing(&input.from.id, &input.to.id)? {
                errors.push(missing);
                continue;
            }
            self.change((&input.from.id, &input.to.id), |known| {
                known.extend(kinds.iter().filter(|kind| !known.contains(kind)).cloned().collect::<Vec<_>>());
            })?;
            results.push(self.made(&input.from.id, &input.to.id, named.is_some(), &kinds));
        }
        if named == Some(false) {
            return Ok(Answer::empty(StatusCode::NO_CONTENT));
        }
        let status = match (errors.is_empty(), named) {
            (false, _) => StatusCode::MULTI_STATUS,
            (true, Some(_)) => StatusCode::CREATED,
            (true, None) => StatusCode::OK,
        };
        Ok(completed(started, status, results, errors))
    }

    fn kinds_of(&self, types: Option<Vec<Kind>>, named: bool) -> Result<Vec<Json>, Answer> {
        if !named {
            return match types {
                None => Ok(vec![self.kinds()[0].clone()]),
                Some(_) => Err(invalid("Invalid input JSON: `types` is not known here")),
            };
        }
        let types = types.filter(|types| !types.is_empty());
        let types = types.ok_or_else(|| invalid("Invalid input JSON: `types` is required"))?;
        let kinds = self.kinds();
        let find = |kind: Kind| {
            let known = kinds.iter().find(|known| {
                known["category"] == *kind.association_category && known["typeId"] == kind.association_type_id
            });
            known.cloned().ok_or_else(|| {
                let number = kind.association_type_id;
                invalid(&format!(
                    "Association type {number} doesn't exist between {} and {}",
                    self.from.label, self.to.label
                ))
            })
        };
        types.into_iter().map(find).collect()
    }

    fn made(&self, from: &str, to: &str, named: bool, kinds: &[Json]) -> Json {
        if named {
            let labels: Vec<&Json> =
                kinds.iter().map(|kind| &kind["label"]).filter(|l| !l.is_null()).collect();
            return json!({
                "fromObjectTypeId": self.from.name, "fromObjectId": from,
                "toObjectTypeId": self.to.name, "toObjectId": to, "labels": labels,
            });
        }
        let spec = |kind: &Json| json!({"associationCategory": kind["category"], "associationTypeId": kind["typeId"]});
        json!({"from": {"id": from}, "to": {"id": to}, "associationSpec": kinds.first().map(spec)})
    }

    /// The error of a link to or from an object that is not there.
    fn missing(&self, from: &str, to: &str) -> rusqlite::Result<Option<Json>> {
        for (kind, id, name) in [(self.from, from, "fromObjectId"), (self.to, to, "toObjectId")] {
            if self.state.get(&kind.name, id)?.is_none_or(|found| found.archived) {
                let message = format!("{} {id} does not exist", kind.label);
                return Ok(Some(json!({
                    "status": "error", "category": "OBJECT_NOT_FOUND", "message": message, "context": {name: [id]},
                })));
            }
        }
        Ok(None)
    }

    /// Changes the kinds of links between two objects, at both ends.
    fn change(&self, (from, to): (&str, &str), change: impl Fn(&mut Vec<Json>)) -> rusqlite::Result<()> {
        let ends = [(kept(self.from, self.to), from, to), (kept(self.to, self.from), to, from)];
        for (name, from, to) in &ends[..if self.from.name == self.to.name && from == to { 1 } else { 2 }] {
            let found = self.state.get(name, from)?;
            let fresh = found.is_none();
            let now = format(Timestamp::now());
            let mut kept = found.unwrap_or_else(|| Object {
                id: (*from).to_owned(),
                archived: false,
                created_at: now.clone(),
                updated_at: now.clone(),
                properties: Default::default(),
            });
            let mut kinds = kept.properties.get(*to).and_then(Json::as_array).cloned().unwrap_or_default();
            change(&mut kinds);
            match kinds.is_empty() {
                true => drop(kept.properties.remove(*to)),
                false => drop(kept.properties.insert((*to).to_owned(), kinds.into())),
            }
            kept.updated_at = now;
            if fresh {
                self.state.insert(name, &kept)?;
            } else {
                self.state.save(name, &kept)?;
            }
        }
        Ok(())
    }

    fn archive(&self) -> rusqlite::Result<Answer> {
        let inputs = match self.inputs::<Several>(WRITTEN) {
            Ok(inputs) => inputs,
            Err(refusal) => return Ok(refusal),
        };
        for input in inputs {
            for to in input.to {
                self.change((&input.from.id, &to.id), Vec::clear)?;
            }
        }
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    fn read(&self) -> rusqlite::Result<Answer> {
        let started = Timestamp::now();
        let inputs = match self.inputs::<Fetch>(READ) {
            Ok(inputs) => inputs,
            Err(refusal) => return Ok(refusal),
        };
        let (mut results, mut errors) = (Vec::new(), Vec::new());
        for Fetch { id, after } in inputs {
            let kept = self.state.get(&kept(self.from, self.to), &id)?;
            let mut there = Vec::new();
            for (to, kinds) in kept.map(|kept| kept.properties).unwrap_or_default() {
                if self.missing(&id, &to)?.is_none() {
                    there.push(json!({"toObjectId": to, "associationTypes": kinds}));
                }
            }
            if there.is_empty() {
                errors.push(json!({
                    "status": "error", "category": "OBJECT_NOT_FOUND",
                    "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
                    "message": format!("No {} is associated with {} {id}.", self.to.label, self.from.label),
                    "context": {"fromObjectId": [id], "toObjectType": [self.to.name]},
                }));
                continue;
            }
            let start = after.and_then(|after| after.parse().ok()).unwrap_or(0).min(there.len());
            let end = (start + PAGE).min(there.len());
            let mut result = json!({"from": {"id": id}, "to": there[start..end]});
            if end < there.len() {
                result["paging"] = json!({"next": {"after": end.to_string()}});
            }
            results.push(result);
        }
        let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::MULTI_STATUS };
        Ok(completed(started, status, results, errors))
    }
}

/// Where the links from one type to another are kept.
fn kept(from: &ObjectType, to: &ObjectType) -> String {
    format!("associations/{}/{}", from.name, to.name)
}

fn completed(started: Timestamp, status: StatusCode, results: Vec<Json>, errors: Vec<Json>) -> Answer {
    let mut body = json!({
        "status": "COMPLETE", "results": results, "startedAt": format(started), "completedAt": format(Timestamp::now()),
    });
    if !errors.is_empty() {
        body["numErrors"] = errors.len().into();
        body["errors"] = errors.into();
    }
    Answer::new(status, body)
}
