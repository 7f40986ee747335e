//! A planned batch, read from the spool as often as the destination needs it.

use std::sync::Arc;

use outflow_connectors::contract::{BatchSource, Change, ConnectorError, FieldValue, Kind, Number, Value};
use serde_json::Value as Json;

use super::feed::size;
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
    /// The items' records, unless they are too large to stay in memory while the batch is under way.
    loaded: Option<Vec<Option<Record>>>,
}

/// Bytes of a batch in the spool up to which its records are read once and kept.
const KEPT: usize = 16 << 20;

impl<'a> Batch<'a> {
    /// # Errors
    /// When the spool cannot be read.
    pub fn load(records: Records<'a>, items: Vec<Item>) -> Result<Self> {
        let loaded = match items.iter().map(size).sum::<usize>() <= KEPT {
            true => Some(records.read_all(&items)?),
            false => None,
        };
        Ok(Batch { records, items, loaded })
    }

    /// Calls `each` with every item and its record.
    ///
    /// # Errors
    /// Those of `each`, and when the spool cannot be read.
    pub fn each<T>(&self, mut each: impl FnMut(&Item, Option<&Record>) -> T) -> Result<Vec<T>> {
        (0..self.items.len()).map(|index| self.with(index, &mut each)).collect()
    }

    fn with<T>(&self, index: usize, mut each: impl FnMut(&Item, Option<&Record>) -> T) -> Result<T> {
        let item = &self.items[index];
        match &self.loaded {
            Some(loaded) => Ok(each(item, loaded[index].as_ref())),
            None => Ok(each(item, self.records.read(item)?.as_ref())),
        }
    }

    /// What must be durable before the batch leaves.
    ///
    /// # Errors
    /// When the spool cannot be read.
    pub fn intents(&self) -> Result<Vec<IntentEntry>> {
        self.each(|item, record| self.records.intent(item, record))
    }
}

impl Records<'_> {
    pub fn read(&self, item: &Item) -> Result<Option<Record>> {
        item.place.map(|place| self.spool.read(place)).transpose()
    }

    fn read_all(&self, items: &[Item]) -> Result<Vec<Option<Record>>> {
        let places: Vec<_> = items.iter().filter_map(|item| item.place).collect();
        let mut records = self.spool.read_all(&places)?.into_iter();
        Ok(items.iter().map(|item| item.place.and_then(|_| records.next())).collect())
    }

    fn change(&self, item: &Item, record: Option<&Record>) -> Change {
        let match_on = &self.mapper.spec.match_on;
        let Some(record) = record else {
            let fields = match item.purpose {
                Purpose::Clear => {
                    self.cleared.iter().map(|n| FieldValue { name: n.clone(), value: Value::Null }).collect()
                }
                _ => Vec::new(),
            };
            let destination_key = destination_key(match_on, item.destination_key.as_deref());
            let remote_id = item.remote_id.clone();
            return Change { verb: item.verb, destination_key, remote_id, fields };
        };
        let named = match_on.iter().zip(&record.destination_key);
        let fields = self.mapper.spec.fields.iter().zip(&record.fields);
        Change {
            verb: item.verb,
            destination_key: named
                .map(|(name, value)| FieldValue { name: name.as_str().into(), value: value.clone() })
                .collect(),
            remote_id: item.remote_id.clone(),
            fields: fields
                .filter_map(|(field, value)| {
                    Some(FieldValue { name: field.name.clone(), value: value.clone()? })
                })
                .collect(),
        }
    }

    /// What must be durable before this item leaves.
    pub fn intent(&self, item: &Item, record: Option<&Record>) -> IntentEntry {
        let key_text = match record {
            Some(record) => key_text(self.mapper, record),
            None => item.key_text.clone().unwrap_or_default(),
        };
        let destination_key = match record {
            Some(record) => destination_text(record),
            None => item.destination_key.clone().unwrap_or_default(),
        };
        IntentEntry {
            key: item.key,
            record: item.record,
            key_text,
            destination_hash: item.destination_hash,
            destination_key,
            remote_id: item.remote_id.clone(),
        }
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
        Box::new((0..self.items.len()).map(|index| {
            self.with(index, |item, record| self.records.change(item, record))
                .map_err(|error| ConnectorError::new(Kind::Internal, error.message.clone()))
        }))
    }
}
