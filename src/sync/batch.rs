//! A planned batch, read from the spool as often as the destination needs it.

use std::sync::Arc;

use outflow_connectors::contract::{BatchSource, Change, ConnectorError, FieldValue, Kind, Number, Value};
use serde_json::Value as Json;

use super::map::{Mapper, Record};
use super::planned::{Item, Purpose};
use super::spool::Spool;
use crate::error::Result;
use crate::ledger::IntentEntry;
use crate::transform::display::value_json;

/// Where the records of all batches of a run are.
#[derive(Clone, Copy)]
pub struct Records<'a> {
    pub spool: &'a Spool,
    pub mapper: &'a Mapper,
    /// Fields that `on_delete: clear` empties.
    pub cleared: &'a [Arc<str>],
}

/// Some items of one phase.
pub struct Batch<'a> {
    pub records: Records<'a>,
    pub items: Vec<Item>,
}

impl Records<'_> {
    pub fn read(&self, item: &Item) -> Result<Option<Record>> {
        item.place.map(|place| self.spool.read(place)).transpose()
    }

    fn change(&self, item: &Item) -> Result<Change> {
        let match_on = &self.mapper.spec.match_on;
        let Some(record) = self.read(item)? else {
            let fields = match item.purpose {
                Purpose::Clear => {
                    self.cleared.iter().map(|n| FieldValue { name: n.clone(), value: Value::Null }).collect()
                }
                _ => Vec::new(),
            };
            let destination_key = destination_key(match_on, item.destination_key.as_deref());
            return Ok(Change {
                verb: item.verb,
                destination_key,
                remote_id: item.remote_id.clone(),
                fields,
            });
        };
        let named = match_on.iter().zip(record.destination_key);
        let fields = self.mapper.spec.fields.iter().zip(record.fields);
        Ok(Change {
            verb: item.verb,
            destination_key: named.map(|(n, value)| FieldValue { name: n.as_str().into(), value }).collect(),
            remote_id: item.remote_id.clone(),
            fields: fields
                .filter_map(|(field, value)| Some(FieldValue { name: field.name.clone(), value: value? }))
                .collect(),
        })
    }

    /// What must be durable before this item leaves.
    pub fn intent(&self, item: &Item) -> Result<IntentEntry> {
        let record = self.read(item)?;
        let key_text = match &record {
            Some(record) => key_text(self.mapper, record),
            None => item.key_text.clone().unwrap_or_default(),
        };
        let destination_key = match &record {
            Some(record) => destination_text(record),
            None => item.destination_key.clone().unwrap_or_default(),
        };
        Ok(IntentEntry {
            key: item.key,
            record: item.record,
            key_text,
            destination_hash: item.destination_hash,
            destination_key,
            remote_id: item.remote_id.clone(),
        })
    }
}

/// `{column: value}` as JSON text.
pub fn key_text(mapper: &Mapper, record: &Record) -> String {
    Json::Object(mapper.key_json(&record.key_values)).to_string()
}

/// The destination key's values as a JSON list.
pub fn destination_text(record: &Record) -> String {
    Json::Array(record.destination_key.iter().map(value_json).collect()).to_string()
}

/// Reads what [`destination_text`] wrote.
pub fn destination_key(match_on: &[String], text: Option<&str>) -> Vec<FieldValue> {
    let values: Vec<Json> = text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let value = |json: Json| match json {
        Json::String(text) => Value::Text(text),
        Json::Bool(b) => Value::Boolean(b),
        Json::Number(n) => Number::parse(&n.to_string()).map_or(Value::Null, Value::Number),
        Json::Null => Value::Null,
        other => Value::Json(other),
    };
    let named = match_on.iter().zip(values);
    named.map(|(name, json)| FieldValue { name: name.as_str().into(), value: value(json) }).collect()
}

impl BatchSource for Batch<'_> {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn changes(&self) -> Box<dyn Iterator<Item = Result<Change, ConnectorError>> + Send + '_> {
        Box::new(self.items.iter().map(|item| {
            self.records
                .change(item)
                .map_err(|error| ConnectorError::new(Kind::Internal, error.message.clone()))
        }))
    }
}
