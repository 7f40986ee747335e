//! Row -> Record: evaluates one mapping, pure. [`Mapper::hash`] gives a row's hashes without making the record.

mod bind;
mod edit;
mod hash;
mod source_hash;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use outflow_connectors::contract::{Normaliser, Row, Schema, Value};
use serde_json::{Map, Value as Json};

use super::spec::{FieldSpec, MappingSpec};
use crate::ledger::{Detail, KeyHash, RecordHash};
use crate::project::OnNull;
use crate::transform::canonical::{Encoded, Encoder};
use crate::transform::display::key_json;
use crate::transform::encode::{Hasher, RecordHasher, key_value};
use crate::transform::{self, Conversion, Fault, Template};
use source_hash::SourceHash;

pub use edit::Edit;
pub use hash::{Hashes, Kinds, Scratch};

/// What the destination would receive for one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub key: KeyHash,
    /// Values of the primary key, in its order.
    pub key_values: Vec<Value>,
    pub fingerprint: RecordHash,
    /// Normalised values of the match fields.
    pub destination_key: Vec<Value>,
    pub destination_hash: u64,
    /// One per field of the spec, in its order; `None` where a null is skipped.
    pub fields: Vec<Option<Value>>,
}

/// A row that cannot become a record.
#[derive(Debug, Clone, PartialEq)]
pub struct RowFault {
    /// `None` where the key itself cannot be read.
    pub key: Option<KeyHash>,
    pub key_json: Map<String, Json>,
    pub field: Option<String>,
    pub fault: Fault,
    /// Hash of the destination key, where that much of the row can be read.
    pub destination: Option<u64>,
}

/// Codes of the faults found here.
pub const NULL_MATCH_KEY: &str = "OF-ROW-030";
pub const NULL_REFUSED: &str = "OF-ROW-031";
pub const DUPLICATE: &str = "OF-ROW-032";

/// What brings a match field's values into the form in which the destination compares them.
pub type Normalise = Arc<dyn Fn(&str) -> Option<Normaliser> + Send + Sync>;

/// A mapping bound to the columns of one query.
pub struct Mapper {
    pub spec: Arc<MappingSpec>,
    key_columns: Vec<usize>,
    fields: Vec<BoundField>,
    /// Positions in `fields` of the match fields, in the order of `match_on`.
    match_fields: Vec<usize>,
    /// [`Self::destination_is_key`], and nobody asks for the destination's own hash.
    key_is_match: bool,
    hasher: Arc<Hasher>,
    /// Under the names of the fields that are compared.
    records: RecordHasher,
    source: SourceHash,
    /// Positions in `fields` of those that are not compared.
    beside: Vec<usize>,
}

struct BoundField {
    from: BoundFrom,
    conversion: Conversion,
    encoder: Encoder,
    is_matched: bool,
    normaliser: Option<Normaliser>,
}

enum BoundFrom {
    Column(usize),
    Template(Box<Template>),
    /// Converted once; a fault was reported when the mapping was bound.
    Value(Value),
}

/// A part of a mapping that the query's columns or the field's type do not allow.
#[derive(Debug, Clone, PartialEq)]
pub enum BindFault {
    KeyColumn { column: String },
    FieldColumn { field: String, column: String },
    Template { field: String, message: String },
    Constant { field: String, message: String },
    Timezone { name: String },
}

impl Mapper {
    /// Evaluates the mapping on one row.
    pub fn map(&self, row: Row<'_>) -> Result<Record, RowFault> {
        self.evaluate(row).map_err(|fault| RowFault { destination: self.destination(row), ..fault })
    }

    /// Whether a row's destination key can neither change nor be another row's, but with its primary key: the columns
    /// are the same, and the destination compares their values as they are. See [`Kinds::is_mixed`] for the rest.
    pub fn destination_is_key(&self) -> bool {
        self.spec.match_is_key()
            && self.fields.iter().all(|field| !field.is_matched || field.normaliser.is_none())
    }

    /// Has [`Self::hash`] hash destination keys although they are the primary keys.
    pub fn track_destinations(&mut self) {
        self.key_is_match = false;
    }

    fn destination(&self, row: Row<'_>) -> Option<u64> {
        let mut values = Vec::with_capacity(self.match_fields.len());
        for &index in &self.match_fields {
            values.push(self.fields[index].value(row).ok()?);
        }
        (!values.contains(&Value::Null)).then(|| self.hasher.destination(&values))
    }

    fn evaluate(&self, row: Row<'_>) -> Result<Record, RowFault> {
        let (key, key_values) = self.key(row)?;
        let fail = |field: &FieldSpec, fault| RowFault {
            key: Some(key),
            key_json: self.key_json(&key_values),
            field: Some(field.name.to_string()),
            fault,
            destination: None,
        };
        let mut fields = Vec::with_capacity(self.fields.len());
        for (bound, field) in self.fields.iter().zip(&self.spec.fields) {
            let value = bound.value(row).map_err(|fault| fail(field, fault))?;
            if bound.is_matched && Encoded::of(&value) != Encoded::Other {
                return Err(fail(field, null_match_key(&value)));
            }
            fields.push(settle_null(value, field.on_null).map_err(|fault| fail(field, fault))?);
        }
        let destination_key: Vec<Value> =
            self.match_fields.iter().map(|&i| fields[i].clone().unwrap_or(Value::Null)).collect();
        Ok(Record {
            key,
            fingerprint: self.fingerprint(key, &fields, self.source.of(row)),
            destination_hash: self.hasher.destination(&destination_key),
            destination_key,
            key_values,
            fields,
        })
    }

    /// Positions of the columns that a record is made from.
    pub fn columns(&self, schema: &Schema) -> Vec<usize> {
        let mut columns = self.key_columns.clone();
        self.fields.iter().for_each(|field| field.from.columns(schema, &mut columns));
        columns
    }

    /// `{column: value}` of a primary key.
    pub fn key_json(&self, values: &[Value]) -> Map<String, Json> {
        key_json(&self.spec.key, values)
    }

    fn key(&self, row: Row<'_>) -> Result<(KeyHash, Vec<Value>), RowFault> {
        let mut parts = Vec::with_capacity(self.key_columns.len());
        let mut first_fault = None;
        for (&column, name) in self.key_columns.iter().zip(&self.spec.key) {
            let part = key_value(row.cell(column));
            parts.push(part.unwrap_or_else(|fault| {
                first_fault.get_or_insert((name.clone(), fault));
                Value::Null
            }));
        }
        match first_fault {
            None => Ok((KeyHash(self.hasher.key(&parts)), parts)),
            Some((field, fault)) => {
                let key_json = self.key_json(&parts);
                Err(RowFault { key: None, key_json, field: Some(field), fault, destination: None })
            }
        }
    }

    fn fingerprint(&self, key: KeyHash, fields: &[Option<Value>], source: u64) -> RecordHash {
        let diffed = self.spec.fields.iter().zip(fields).filter(|(field, _)| field.diff);
        RecordHash::new(self.records.record(&key.0, diffed.map(|(_, value)| value.as_ref())), source)
    }

    /// Which source hashes are of use beside those made here.
    pub fn circumstances(&self) -> &str {
        self.source.circumstances()
    }

    /// The 8-byte hash of each diffed field that is present.
    pub fn field_hashes(&self, record: &Record) -> Vec<(Arc<str>, u64)> {
        let diffed = self.spec.fields.iter().zip(&record.fields).filter(|(field, _)| field.diff);
        diffed
            .filter_map(|(field, value)| {
                Some((field.name.clone(), self.hasher.field(&record.key.0, &field.name, value.as_ref()?)))
            })
            .collect()
    }

    /// The hash that [`Self::field_hashes`] has of a field, by the canonical bytes of its value; what is in `message` goes.
    pub fn field_hash(&self, key: &KeyHash, name: &str, value: &[u8], message: &mut Vec<u8>) -> u64 {
        self.hasher.encoded_field(&key.0, name, value, message)
    }

    /// Whether the field is sent with a change of a record that was acknowledged as in `known`: it differs, or it is not
    /// compared.
    pub fn differs(&self, key: &KeyHash, (field, value): (&FieldSpec, &Value), known: &Detail) -> bool {
        let hash = || self.hasher.field(&key.0, &field.name, value);
        !field.diff || !known.fields.contains(&(field.name.clone(), hash()))
    }

    /// Names of the fields that [`Self::differs`] finds.
    pub fn changed(&self, record: &Record, known: &Detail) -> Vec<Arc<str>> {
        let fields = self.spec.fields.iter().zip(&record.fields);
        let present = fields.filter_map(|(field, value)| Some((field, value.as_ref()?)));
        let sent = present.filter(|present| self.differs(&record.key, *present, known));
        sent.map(|(field, _)| field.name.clone()).collect()
    }
}

impl BoundField {
    /// The field's value, normalised.
    fn value(&self, row: Row<'_>) -> Result<Value, Fault> {
        let value = match &self.from {
            BoundFrom::Column(column) => transform::convert(row.cell(*column), &self.conversion)?,
            BoundFrom::Value(value) => value.clone(),
            BoundFrom::Template(template) => {
                let text = template.render(row)?;
                transform::convert(outflow_connectors::contract::Cell::Text(&text), &self.conversion)?
            }
        };
        Ok(match self.normaliser {
            Some(normalise) => normalise(value),
            None => value,
        })
    }
}

fn null_match_key(value: &Value) -> Fault {
    let found = if matches!(value, Value::Null) { "null" } else { "empty" };
    Fault { code: NULL_MATCH_KEY, message: format!("{found}, but it is the upsert key") }
}

fn settle_null(value: Value, on_null: OnNull) -> Result<Option<Value>, Fault> {
    match (&value, on_null) {
        (Value::Null, OnNull::Skip) => Ok(None),
        (Value::Null, OnNull::Error) => {
            Err(Fault { code: NULL_REFUSED, message: "null, but the mapping says `on_null: error`".into() })
        }
        _ => Ok(Some(value)),
    }
}
