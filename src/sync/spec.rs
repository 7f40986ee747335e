//! A mapping resolved against the query's columns and the destination's catalogue, in a form that can be stored and
//! evaluated again: fingerprints made under it stay readable after the mapping was edited.

use std::sync::Arc;

use outflow_connectors::contract::{Catalog, FieldType, Property};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::ledger::MappingVersion;
use crate::project::{Field, FieldFrom, OnNull, Sync};
use crate::transform::encode::ENCODING_VERSION;

/// All that decides what a record looks like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MappingSpec {
    /// Of the canonical encoding, see [`ENCODING_VERSION`].
    pub encoding: u32,
    /// Columns of the primary key.
    pub key: Vec<String>,
    /// Destination fields of the destination key.
    pub match_on: Vec<String>,
    pub timezone: Option<String>,
    /// Sorted by name.
    pub fields: Vec<FieldSpec>,
}

/// One destination field with its type settled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldSpec {
    pub name: Arc<str>,
    pub from: FromSpec,
    pub kind: FieldType,
    /// The mapping itself names the type; else the catalogue did.
    pub declared: bool,
    pub scale: Option<u32>,
    pub on_null: OnNull,
    pub diff: bool,
    pub set: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FromSpec {
    Column(String),
    Template(String),
    Value(Json),
}

impl MappingSpec {
    /// Settles each field's type: the mapping's, else the catalogue's, else string.
    pub fn new(sync: &Sync, catalog: &Catalog) -> Self {
        let mut fields: Vec<_> =
            sync.fields.iter().map(|f| FieldSpec::new(f, catalog.get(&f.name))).collect();
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        MappingSpec {
            encoding: ENCODING_VERSION,
            key: sync.source.primary_key.iter().map(|c| c.column.clone()).collect(),
            match_on: sync.destination.match_on.iter().map(|(field, _)| field.clone()).collect(),
            timezone: sync.source.timezone.clone(),
            fields,
        }
    }

    /// Whether the destination key is made of the columns of the primary key, each as it is.
    pub fn match_is_key(&self) -> bool {
        let matched: Vec<&FieldSpec> = self
            .fields
            .iter()
            .filter(|field| self.match_on.iter().any(|name| **name == *field.name))
            .collect();
        let plain = |field: &&FieldSpec| {
            field.scale.is_none()
                && matches!(field.kind, FieldType::String | FieldType::Integer | FieldType::Number)
        };
        let of = |field: &&FieldSpec, key: &String| matches!(&field.from, FromSpec::Column(c) if c == key);
        matched.iter().all(|field| plain(field) && self.key.iter().any(|key| of(field, key)))
            && self.key.iter().all(|key| matched.iter().any(|field| of(field, key)))
    }

    /// Whether a field of both is of another type here, so that equal hashes are no proof of equal values.
    pub fn retypes(&self, older: &Self) -> bool {
        let form = |field: &FieldSpec| (field.kind, field.scale, field.set);
        let retyped = |field: &FieldSpec| {
            older.fields.iter().any(|old| old.name == field.name && form(old) != form(field))
        };
        self.encoding != older.encoding || self.fields.iter().any(retyped)
    }

    /// The form kept in the ledger.
    pub fn version(&self) -> MappingVersion {
        let spec = serde_json::to_string(self).unwrap_or_default();
        MappingVersion { hash: digest(&spec), spec }
    }
}

/// SHA-256 of a text, in hex.
pub fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl FieldSpec {
    fn new(field: &Field, property: Option<&Property>) -> Self {
        FieldSpec {
            name: field.name.as_str().into(),
            from: match &field.from {
                FieldFrom::Column(column) => FromSpec::Column(column.clone()),
                FieldFrom::Template(template) => FromSpec::Template(template.clone()),
                FieldFrom::Constant(value) => FromSpec::Value(value.clone()),
            },
            kind: field.kind.or(property.map(|p| p.kind)).unwrap_or(FieldType::String),
            declared: field.kind.is_some(),
            scale: field.scale,
            on_null: field.on_null,
            diff: field.diff,
            set: field.set,
        }
    }
}
