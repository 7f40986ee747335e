//! Fields of leads: those that every instance has, as far as the sandbox knows them, and declared ones.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::sandbox::{Objects, PropertySpec, PropertyType};

/// Name, type, length, and whether it can be written.
const STANDARD: [(&str, &str, u64, bool); 28] = [
    ("id", "integer", 0, false),
    ("email", "email", 255, true),
    ("firstName", "string", 255, true),
    ("middleName", "string", 255, true),
    ("lastName", "string", 255, true),
    ("salutation", "string", 255, true),
    ("title", "string", 255, true),
    ("phone", "phone", 255, true),
    ("mobilePhone", "phone", 255, true),
    ("address", "text", 30_000, true),
    ("city", "string", 255, true),
    ("state", "string", 255, true),
    ("country", "string", 255, true),
    ("postalCode", "string", 255, true),
    ("dateOfBirth", "date", 0, true),
    ("leadSource", "string", 255, true),
    ("leadScore", "integer", 0, true),
    ("rating", "string", 255, true),
    ("unsubscribed", "boolean", 0, true),
    ("unsubscribedReason", "text", 30_000, true),
    ("doNotCall", "boolean", 0, true),
    ("externalCompanyId", "string", 255, true),
    ("externalSalesPersonId", "string", 255, true),
    ("company", "string", 255, true),
    ("site", "string", 255, true),
    ("industry", "string", 255, true),
    ("createdAt", "datetime", 0, false),
    ("updatedAt", "datetime", 0, false),
];

/// Fields of the company, which a lead shows and does not keep.
const COMPANY: [&str; 3] = ["company", "site", "industry"];

/// One field.
#[derive(Debug, Clone)]
pub(super) struct Field {
    kind: &'static str,
    length: Option<u64>,
    pub(super) updateable: bool,
    pub(super) searchable: bool,
    spec: Option<PropertySpec>,
}

/// Why a value is not taken.
pub(super) enum Flaw {
    /// By this code, with these words.
    Refused(&'static str, String),
    /// It is longer than its field.
    Long,
}

pub(super) struct Schema(BTreeMap<String, Field>);

impl Schema {
    pub(super) fn declared(objects: &Objects) -> Result<Self, String> {
        if let Some(other) = objects.keys().find(|name| *name != "leads") {
            return Err(format!("Marketo has no object `{other}` here; it has `leads`"));
        }
        let mut fields = BTreeMap::new();
        for (name, kind, length, updateable) in STANDARD {
            let length = (length > 0).then_some(length);
            let searchable = matches!(name, "id" | "email");
            fields.insert(name.to_owned(), Field { kind, length, updateable, searchable, spec: None });
        }
        for (name, spec) in objects.get("leads").into_iter().flatten() {
            let (kind, length) = match spec.kind {
                PropertyType::String | PropertyType::Enum => ("string", Some(255)),
                PropertyType::Number => ("float", None),
                PropertyType::Integer => ("integer", None),
                PropertyType::Boolean => ("boolean", None),
                PropertyType::Date => ("date", None),
                PropertyType::DateTime => ("datetime", None),
                PropertyType::Json => ("text", Some(30_000)),
            };
            let standard = fields.get(name).cloned();
            let field = match standard {
                Some(standard) => Field { spec: Some(spec.clone()), ..standard },
                None => Field {
                    kind,
                    length,
                    updateable: !spec.read_only,
                    searchable: matches!(kind, "string" | "integer"),
                    spec: Some(spec.clone()),
                },
            };
            fields.insert(name.clone(), field);
        }
        Ok(Schema(fields))
    }

    pub(super) fn get(&self, name: &str) -> Option<&Field> {
        self.0.get(name)
    }

    pub(super) fn searchable(&self) -> impl Iterator<Item = &String> {
        self.0.iter().filter(|(_, field)| field.searchable).map(|(name, _)| name)
    }

    /// `GET /rest/v1/leads/describe2.json`
    pub(super) fn described(&self) -> Json {
        let fields = self.0.iter().map(|(name, field)| {
            let mut shown = json!({
                "name": name, "displayName": name, "dataType": field.kind, "updateable": field.updateable, "crmManaged": false,
            });
            if let Some(length) = field.length {
                shown["length"] = length.into();
            }
            shown
        });
        let searchable: Vec<Json> = self.searchable().map(|name| json!([name])).collect();
        json!({"name": "API Lead", "searchableFields": searchable, "fields": fields.collect::<Vec<Json>>()})
    }

    /// What is wrong with a value of this name.
    pub(super) fn flaw(&self, name: &str, value: &Json) -> Option<Flaw> {
        let Some(field) = self.get(name) else {
            return Some(Flaw::Refused("1006", format!("Field '{name}' not found")));
        };
        let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let invalid =
            || Flaw::Refused("1003", format!("Invalid value for field '{name}' and value '{shown}'"));
        if COMPANY.contains(&name) {
            return Some(Flaw::Refused("1021", "Company update not allowed".to_owned()));
        }
        if !field.updateable {
            return Some(Flaw::Refused("1003", format!("Field '{name}' is not updateable")));
        }
        if value.is_null() {
            return None;
        }
        if !is_of(field.kind, value, &shown)
            || field.spec.as_ref().is_some_and(|spec| spec.refuse.contains(&shown))
            || field
                .spec
                .as_ref()
                .is_some_and(|spec| !spec.options.is_empty() && !spec.options.contains(&shown))
        {
            return Some(invalid());
        }
        let is_long = |length: u64| shown.chars().count() as u64 > length;
        field.length.is_some_and(is_long).then_some(Flaw::Long)
    }
}

/// Whether a value can stand in a field of this type; texts are read as what they say.
fn is_of(kind: &str, value: &Json, shown: &str) -> bool {
    match kind {
        "integer" => shown.parse::<i64>().is_ok(),
        "float" => shown.parse::<f64>().is_ok_and(f64::is_finite),
        "boolean" => matches!(shown, "true" | "false" | "0" | "1"),
        "date" => shown.parse::<jiff::civil::Date>().is_ok(),
        "datetime" => shown.parse::<jiff::Timestamp>().is_ok(),
        "email" => is_email(shown),
        _ => !value.is_array() && !value.is_object(),
    }
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    text.is_ascii()
        && !local.is_empty()
        && domain.contains('.')
        && !domain.contains('@')
        && !text.contains(char::is_whitespace)
}
