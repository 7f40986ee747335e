//! Row -> Record: evaluates one mapping, pure.

use std::sync::Arc;

use jiff::tz::TimeZone;
use outflow_connectors::contract::{Catalog, Row, Schema, Value};
use serde_json::{Map, Value as Json};

use super::spec::{FieldSpec, FromSpec, MappingSpec};
use crate::ledger::{KeyHash, RecordHash};
use crate::project::OnNull;
use crate::transform::display::key_json;
use crate::transform::encode::{Hasher, key_value};
use crate::transform::{self, Conversion, Fault, Template};

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

/// What [`Mapper::hash`] makes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hashes {
    pub key: KeyHash,
    pub fingerprint: RecordHash,
    pub destination: u64,
}

#[derive(Default)]
pub struct Scratch {
    _buffer: Vec<u8>,
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

/// Puts a match key into the form in which the destination compares it.
pub type Normalise = Arc<dyn Fn(&str, Value) -> Value + Send + Sync>;

/// A mapping bound to the columns of one query.
pub struct Mapper {
    pub spec: Arc<MappingSpec>,
    key_columns: Vec<usize>,
    fields: Vec<BoundField>,
    /// Positions in `fields` of the match fields, in the order of `match_on`.
    match_fields: Vec<usize>,
    hasher: Arc<Hasher>,
    normalise: Normalise,
}

struct BoundField {
    from: BoundFrom,
    conversion: Conversion,
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
    /// Binds the mapping, or says all that is wrong with it. The catalogue adds the checks of values: options, length.
    pub fn bind(
        spec: Arc<MappingSpec>,
        schema: &Schema,
        catalog: &Catalog,
        hasher: Arc<Hasher>,
        normalise: Normalise,
    ) -> Result<Self, Vec<BindFault>> {
        let mut faults = Vec::new();
        let timezone = bind_timezone(spec.timezone.as_deref(), &mut faults);
        let key_columns = bind_key(&spec, schema, &mut faults);
        let mut fields = Vec::new();
        for field in &spec.fields {
            match bind_field(field, schema, conversion(field, catalog, timezone.clone())) {
                Ok(bound) => fields.push(bound),
                Err(fault) => faults.push(fault),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let position = |name: &String| spec.fields.iter().position(|f| *f.name == **name);
        let match_fields = spec.match_on.iter().filter_map(position).collect();
        Ok(Mapper { spec, key_columns, fields, match_fields, hasher, normalise })
    }

    /// Evaluates the mapping on one row.
    pub fn map(&self, row: Row<'_>) -> Result<Record, RowFault> {
        self.evaluate(row).map_err(|fault| RowFault { destination: self.destination(row), ..fault })
    }

    pub fn hash(&self, row: Row<'_>, _scratch: &mut Scratch) -> Result<Hashes, RowFault> {
        self.map(row).map(|r| Hashes {
            key: r.key,
            fingerprint: r.fingerprint,
            destination: r.destination_hash,
        })
    }

    pub fn destination_is_key(&self) -> bool {
        false
    }

    fn destination(&self, row: Row<'_>) -> Option<u64> {
        let mut values = Vec::with_capacity(self.match_fields.len());
        for &index in &self.match_fields {
            let value = self.fields[index].value(row).ok()?;
            values.push((self.normalise)(&self.spec.fields[index].name, value));
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
        for (index, (bound, field)) in self.fields.iter().zip(&self.spec.fields).enumerate() {
            let mut value = bound.value(row).map_err(|fault| fail(field, fault))?;
            if self.match_fields.contains(&index) {
                value = (self.normalise)(&field.name, value);
                if matches!(&value, Value::Null) || matches!(&value, Value::Text(text) if text.is_empty()) {
                    return Err(fail(field, null_match_key(&value)));
                }
            }
            fields.push(settle_null(value, field.on_null).map_err(|fault| fail(field, fault))?);
        }
        let destination_key: Vec<Value> =
            self.match_fields.iter().map(|&i| fields[i].clone().unwrap_or(Value::Null)).collect();
        Ok(Record {
            key,
            fingerprint: self.fingerprint(key, &fields),
            destination_hash: self.hasher.destination(&destination_key),
            destination_key,
            key_values,
            fields,
        })
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

    fn fingerprint(&self, key: KeyHash, fields: &[Option<Value>]) -> RecordHash {
        let diffed = self.spec.fields.iter().zip(fields).filter(|(field, _)| field.diff);
        let present = diffed.filter_map(|(field, value)| Some((&*field.name, value.as_ref()?)));
        RecordHash(self.hasher.record(&key.0, present))
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

    /// Whether a destination that holds `old`, delivered under `previous`, already holds all of `new`.
    pub fn is_covered(&self, new: &Record, previous: &Mapper, old: &Record) -> bool {
        new.destination_hash == old.destination_hash
            && self.spec.fields.iter().zip(&new.fields).filter(|(field, _)| field.diff).all(
                |(field, value)| {
                    let known = previous.spec.fields.iter().position(|f| f.name == field.name && f.diff);
                    known.is_some_and(|i| {
                        // A type that the catalogue changed by itself is no change of the record.
                        let retyped = !field.declared && !previous.spec.fields[i].declared;
                        let same_origin = field.from == previous.spec.fields[i].from
                            && field.kind != previous.spec.fields[i].kind;
                        old.fields[i] == *value || (retyped && same_origin)
                    })
                },
            )
    }
}

impl BoundField {
    fn value(&self, row: Row<'_>) -> Result<Value, Fault> {
        match &self.from {
            BoundFrom::Column(column) => transform::convert(row.cell(*column), &self.conversion),
            BoundFrom::Value(value) => Ok(value.clone()),
            BoundFrom::Template(template) => {
                let text = template.render(row)?;
                transform::convert(outflow_connectors::contract::Cell::Text(&text), &self.conversion)
            }
        }
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

fn bind_timezone(name: Option<&str>, faults: &mut Vec<BindFault>) -> Option<TimeZone> {
    let name = name?;
    let zone = TimeZone::get(name).ok();
    if zone.is_none() {
        faults.push(BindFault::Timezone { name: name.into() });
    }
    zone
}

fn bind_key(spec: &MappingSpec, schema: &Schema, faults: &mut Vec<BindFault>) -> Vec<usize> {
    let mut columns = Vec::new();
    for column in &spec.key {
        match schema.position(column) {
            Some(position) => columns.push(position),
            None => faults.push(BindFault::KeyColumn { column: column.clone() }),
        }
    }
    columns
}

fn bind_field(field: &FieldSpec, schema: &Schema, conversion: Conversion) -> Result<BoundField, BindFault> {
    let name = || field.name.to_string();
    let from = match &field.from {
        FromSpec::Column(column) => match schema.position(column) {
            Some(position) => BoundFrom::Column(position),
            None => return Err(BindFault::FieldColumn { field: name(), column: column.clone() }),
        },
        FromSpec::Template(source) => {
            let template = Template::parse(source)
                .map_err(|error| BindFault::Template { field: name(), message: error.message })?;
            if let Some(column) = template.columns().iter().find(|c| schema.position(c).is_none()) {
                return Err(BindFault::FieldColumn { field: name(), column: column.clone() });
            }
            BoundFrom::Template(Box::new(template))
        }
        FromSpec::Value(json) => BoundFrom::Value(
            transform::constant(json, &conversion)
                .map_err(|fault| BindFault::Constant { field: name(), message: fault.message })?,
        ),
    };
    Ok(BoundField { from, conversion })
}

fn conversion(field: &FieldSpec, catalog: &Catalog, timezone: Option<TimeZone>) -> Conversion {
    let property = catalog.get(&field.name);
    Conversion {
        kind: field.kind,
        scale: field.scale,
        timezone,
        set: field.set,
        options: property.map(|p| p.options.clone()).unwrap_or_default(),
        multiple: property.is_some_and(|p| p.multiple),
        max_length: property.and_then(|p| p.max_length),
    }
}
