//! The org's objects and their fields.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::sandbox::{Objects, PropertySpec, PropertyType};

/// The org's id and that of its user.
pub(super) const ORG: &str = "00D4S000000Oz4EUAS";
pub(super) const USER: &str = "0054S000001abcdQAA";

/// A field, in the words of a describe.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) length: usize,
    pub(super) required: bool,
    /// It can be set when a record is made, and changed later.
    pub(super) writable: bool,
    pub(super) external_id: bool,
    pub(super) id_lookup: bool,
    pub(super) unique: bool,
    pub(super) options: Vec<String>,
    pub(super) restricted: bool,
    pub(super) reference_to: Vec<String>,
    pub(super) relationship: Option<String>,
    /// Values that a validation rule refuses.
    pub(super) refuse: Vec<String>,
}

/// Fields by object; an object that is declared has what every object has.
pub(super) struct Schema(BTreeMap<String, Vec<Field>>);

/// The standard objects: their names, the prefix of their ids, and their fields beside those of every object: name, type,
/// length.
type Standard = (&'static str, &'static str, &'static [(&'static str, &'static str, usize)]);

const STANDARD: [Standard; 5] = [
    (
        "Account",
        "001",
        &[
            ("Name", "required string", 255),
            ("Phone", "phone", 40),
            ("Website", "url", 255),
            ("Industry", "picklist", 40),
            ("AnnualRevenue", "currency", 0),
            ("NumberOfEmployees", "int", 0),
            ("Description", "textarea", 32_000),
            ("BillingCity", "string", 40),
            ("BillingCountry", "string", 80),
            ("AccountNumber", "string", 40),
        ],
    ),
    (
        "Contact",
        "003",
        &[
            ("LastName", "required string", 80),
            ("FirstName", "string", 40),
            ("Email", "email", 80),
            ("Phone", "phone", 40),
            ("Birthdate", "date", 0),
            ("Title", "string", 128),
            ("Description", "textarea", 32_000),
            ("DoNotCall", "boolean", 0),
            ("LeadSource", "picklist", 40),
            ("MailingCity", "string", 40),
            ("AccountId", "reference Account", 18),
        ],
    ),
    (
        "Lead",
        "00Q",
        &[
            ("LastName", "required string", 80),
            ("FirstName", "string", 40),
            ("Company", "required string", 255),
            ("Email", "email", 80),
            ("Status", "picklist", 40),
            ("Description", "textarea", 32_000),
        ],
    ),
    (
        "Task",
        "00T",
        &[
            ("Subject", "string", 255),
            ("ActivityDate", "date", 0),
            ("WhoId", "reference Contact,Lead", 18),
            ("WhatId", "reference Account", 18),
        ],
    ),
    ("User", "005", &[("Username", "required string", 80), ("Email", "email", 128)]),
];

/// Digits after the point of a declared number.
const DECIMALS: u32 = 6;

/// The prefix of ids of custom objects.
const CUSTOM: &str = "a01";

impl Field {
    fn of(name: &str, kind: &'static str, length: usize) -> Self {
        Field {
            name: name.to_owned(),
            kind,
            length,
            required: false,
            writable: true,
            external_id: false,
            id_lookup: kind == "email" || name == "Username",
            unique: false,
            options: Vec::new(),
            restricted: false,
            reference_to: Vec::new(),
            relationship: None,
            refuse: Vec::new(),
        }
    }

    fn standard((name, kind, length): (&str, &'static str, usize)) -> Self {
        match kind.split_once(' ') {
            Some(("required", kind)) => Field { required: true, ..Field::of(name, kind, length) },
            Some((_, parents)) => Field::reference(name, parents.split(',').map(str::to_owned).collect()),
            None => Field::of(name, kind, length),
        }
    }

    fn reference(name: &str, reference_to: Vec<String>) -> Self {
        let relationship = match name.strip_suffix("__c") {
            Some(custom) => format!("{custom}__r"),
            None => name.trim_end_matches("Id").to_owned(),
        };
        Field { reference_to, relationship: Some(relationship), ..Field::of(name, "reference", 18) }
    }

    fn read_only(name: &str, kind: &'static str) -> Self {
        Field { writable: false, ..Field::of(name, kind, 0) }
    }

    fn declared(name: &str, spec: &PropertySpec) -> Self {
        let (kind, length) = match spec.kind {
            PropertyType::String | PropertyType::Json => ("string", 255),
            PropertyType::Number => ("double", 0),
            PropertyType::Integer => ("int", 0),
            PropertyType::Boolean => ("boolean", 0),
            PropertyType::Date => ("date", 0),
            PropertyType::DateTime => ("datetime", 0),
            PropertyType::Enum if spec.multiple => ("multipicklist", 4099),
            PropertyType::Enum => ("picklist", 255),
        };
        Field {
            required: spec.required,
            writable: !spec.read_only,
            external_id: spec.unique,
            unique: spec.unique,
            options: spec.options.clone(),
            restricted: !spec.options.is_empty(),
            refuse: spec.refuse.clone(),
            ..Field::of(name, kind, length)
        }
    }

    fn describe(&self) -> Json {
        let decimals = match self.kind {
            "double" | "percent" => Some(DECIMALS),
            "currency" => Some(0),
            _ => None,
        };
        let values = self.options.iter().map(|value| {
            json!({"active": true, "defaultValue": false, "label": value, "validFor": null, "value": value})
        });
        json!({
            "name": self.name, "label": self.name, "type": self.kind, "length": self.length,
            "nillable": !self.required && self.kind != "boolean", "createable": self.writable,
            "updateable": self.writable, "defaultedOnCreate": self.kind == "boolean" || self.name == "OwnerId",
            "unique": self.unique, "externalId": self.external_id,
            "idLookup": self.id_lookup || self.external_id || self.name == "Id", "caseSensitive": false,
            "calculated": false, "custom": self.name.ends_with("__c"),
            "picklistValues": values.collect::<Vec<_>>(), "restrictedPicklist": self.restricted,
            "referenceTo": self.reference_to, "relationshipName": self.relationship,
            "polymorphicForeignKey": self.reference_to.len() > 1, "precision": if decimals.is_some() { 18 } else { 0 }, "scale": decimals.unwrap_or(0),
        })
    }
}

impl Schema {
    /// # Errors
    /// A sentence for a reference that cannot be meant.
    pub(super) fn declared(objects: &Objects, references: Option<&Json>) -> Result<Self, String> {
        let mut all = BTreeMap::new();
        let custom = objects.keys().map(String::as_str);
        for name in STANDARD.iter().map(|(name, ..)| *name).chain(custom) {
            all.entry(name.to_owned()).or_insert_with(|| common(name));
        }
        for (object, properties) in objects {
            let fields = all.entry(object.clone()).or_default();
            for (name, spec) in properties {
                fields.retain(|field: &Field| !field.name.eq_ignore_ascii_case(name));
                fields.push(Field::declared(name, spec));
            }
        }
        let Some(references) = references else { return Ok(Schema(all)) };
        let wrong =
            || "`references` must be a block such as `{Invoice__c: {Account__c: Account}}`".to_owned();
        for (object, fields) in references.as_object().ok_or_else(wrong)? {
            for (name, parent) in fields.as_object().ok_or_else(wrong)? {
                let parent = parent.as_str().ok_or_else(wrong)?;
                if !all.contains_key(parent) {
                    return Err(format!("`references.{object}.{name}`: there is no object `{parent}`"));
                }
                let entry = all.entry(object.clone()).or_insert_with(|| common(object));
                entry.push(Field::reference(name, vec![parent.to_owned()]));
            }
        }
        Ok(Schema(all))
    }

    /// The object's own spelling of its name, and its fields.
    pub(super) fn get(&self, object: &str) -> Option<(&str, &[Field])> {
        let found = self.0.iter().find(|(name, _)| name.eq_ignore_ascii_case(object));
        found.map(|(name, fields)| (name.as_str(), fields.as_slice()))
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn list(&self) -> Json {
        let objects = self.0.keys().map(|name| json!({"name": name, "label": name, "createable": true}));
        json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": objects.collect::<Vec<_>>()})
    }

    pub(super) fn describe(&self, object: &str) -> Option<Json> {
        let (name, fields) = self.get(object)?;
        Some(json!({
            "name": name, "label": name, "keyPrefix": prefix(name), "createable": true, "updateable": true,
            "deletable": true, "queryable": true, "recordTypeInfos": [],
            "fields": fields.iter().map(Field::describe).collect::<Vec<_>>(),
        }))
    }
}

/// What the first three characters of an id say.
pub(super) fn prefix(object: &str) -> &'static str {
    STANDARD.iter().find(|(name, ..)| *name == object).map_or(CUSTOM, |(_, prefix, _)| prefix)
}

fn common(object: &str) -> Vec<Field> {
    let standard = STANDARD.iter().find(|(name, ..)| *name == object);
    let mut fields = vec![
        Field::read_only("Id", "id"),
        Field::read_only("CreatedDate", "datetime"),
        Field::read_only("LastModifiedDate", "datetime"),
        Field::reference("OwnerId", vec!["User".to_owned()]),
    ];
    match standard {
        Some((.., own)) => fields.extend(own.iter().map(|field| Field::standard(*field))),
        None => fields.push(Field::of("Name", "string", 80)),
    }
    fields
}
