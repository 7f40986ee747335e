//! One record in its canonical encoding, from which values are borrowed as they are needed.

use std::io;

use outflow_connectors::contract::{Value, ValueRef};

use super::spill::array;
use crate::ledger::{KeyHash, RecordHash};
use crate::sync::map::{Hashes, Record};
use crate::transform::decode::decode_value;
use crate::transform::encode::ABSENT;

/// A record where it stands. Its hashes are not among its bytes: whoever knows its place knows them as well.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    pub key: KeyHash,
    pub fingerprint: RecordHash,
    pub destination_hash: u64,
    /// Encoded, one after another.
    pub key_values: &'a [u8],
    pub destination_key: &'a [u8],
    /// Each encoded, or [`ABSENT`].
    pub fields: &'a [u8],
}

/// Bytes before the values: the lengths of the first two lists.
const HEADER: usize = 4 + 4;
/// Stands for the length of a destination key that is the primary key, and is not written again.
const SAME: u32 = u32::MAX;

impl<'a> Stored<'a> {
    /// Appends the record.
    pub fn write(&self, out: &mut Vec<u8>) {
        let (own, len) = match self.destination_key == self.key_values {
            true => (&b""[..], SAME),
            false => (self.destination_key, self.destination_key.len() as u32),
        };
        out.extend_from_slice(&(self.key_values.len() as u32).to_le_bytes());
        out.extend_from_slice(&len.to_le_bytes());
        for list in [self.key_values, own, self.fields] {
            out.extend_from_slice(list);
        }
    }

    /// The record in these bytes.
    ///
    /// # Errors
    /// Where it is none.
    pub(super) fn parse(bytes: &'a [u8], hashes: Hashes) -> io::Result<Self> {
        Self::split(bytes, hashes).ok_or_else(damaged)
    }

    fn split(bytes: &'a [u8], hashes: Hashes) -> Option<Self> {
        let (header, rest) = bytes.split_at_checked(HEADER)?;
        let len = |at| u32::from_le_bytes(array(header, at));
        let (key_values, rest) = rest.split_at_checked(len(0) as usize)?;
        let (destination_key, fields) = match len(4) {
            SAME => (key_values, rest),
            own => rest.split_at_checked(own as usize)?,
        };
        Some(Stored {
            key: hashes.key,
            fingerprint: hashes.fingerprint,
            destination_hash: hashes.destination,
            key_values,
            destination_key,
            fields,
        })
    }

    /// Values of the primary key, in its order.
    pub fn key_values(&self) -> Values<'a> {
        Values(self.key_values)
    }

    /// Normalised values of the match fields.
    pub fn destination_key(&self) -> Values<'a> {
        Values(self.destination_key)
    }

    /// One per field of the mapping, in its order; `None` where a null is skipped.
    pub fn fields(&self) -> impl Iterator<Item = io::Result<Option<ValueRef<'a>>>> + use<'a> {
        let mut rest = self.fields;
        std::iter::from_fn(move || match rest.split_first()? {
            (&ABSENT, after) => {
                rest = after;
                Some(Ok(None))
            }
            _ => Some(next_value(&mut rest).map(Some)),
        })
    }

    /// The canonical bytes of [`Self::fields`].
    pub fn encoded_fields(&self) -> impl Iterator<Item = io::Result<Option<&'a [u8]>>> + use<'a> {
        let mut rest = self.fields;
        std::iter::from_fn(move || match rest.split_first()? {
            (&ABSENT, after) => {
                rest = after;
                Some(Ok(None))
            }
            _ => {
                let before = rest;
                let value = next_value(&mut rest);
                Some(value.map(|_| Some(&before[..before.len() - rest.len()])))
            }
        })
    }

    /// # Errors
    /// Where a value is none.
    pub fn to_record(self) -> io::Result<Record> {
        let owned = |value: ValueRef<'_>| value.to_value().ok_or_else(damaged);
        let all = |values: Values<'a>| values.map(|value| owned(value?)).collect::<io::Result<Vec<Value>>>();
        Ok(Record {
            key: self.key,
            key_values: all(self.key_values())?,
            fingerprint: self.fingerprint,
            destination_key: all(self.destination_key())?,
            destination_hash: self.destination_hash,
            fields: self.fields().map(|field| field?.map(owned).transpose()).collect::<io::Result<_>>()?,
        })
    }
}

/// Values one after another.
#[derive(Debug, Clone)]
pub struct Values<'a>(&'a [u8]);

impl<'a> Iterator for Values<'a> {
    type Item = io::Result<ValueRef<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        (!self.0.is_empty()).then(|| next_value(&mut self.0))
    }
}

/// After one that is damaged there is no other.
fn next_value<'a>(rest: &mut &'a [u8]) -> io::Result<ValueRef<'a>> {
    decode_value(rest).ok_or_else(|| {
        *rest = &[];
        damaged()
    })
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a record is damaged")
}

#[cfg(test)]
pub(super) mod tests {
    use outflow_connectors::contract::Number;

    use super::*;
    use crate::transform::encode::encode_value;

    pub fn written(record: &Record) -> Vec<u8> {
        let list = |values: &[Value]| {
            let mut out = Vec::new();
            values.iter().for_each(|value| encode_value(value, &mut out));
            out
        };
        let mut fields = Vec::new();
        for field in &record.fields {
            match field {
                None => fields.push(ABSENT),
                Some(value) => encode_value(value, &mut fields),
            }
        }
        let mut out = Vec::new();
        let stored = Stored {
            key: record.key,
            fingerprint: record.fingerprint,
            destination_hash: record.destination_hash,
            key_values: &list(&record.key_values),
            destination_key: &list(&record.destination_key),
            fields: &fields,
        };
        stored.write(&mut out);
        out
    }

    pub fn record() -> Record {
        Record {
            key: KeyHash([7; 16]),
            key_values: vec![Value::Integer(-3), Value::Text("é\0".into())],
            fingerprint: RecordHash([9; 16]),
            destination_key: vec![Value::Text("a@x".into())],
            destination_hash: 42,
            fields: vec![
                None,
                Some(Value::Null),
                Some(Value::Boolean(true)),
                Some(Value::Number(Number::parse("12.50").unwrap())),
                Some(Value::Date("2024-02-29".parse().unwrap())),
                Some(Value::DateTime("2024-02-29T10:00:00.123456789Z".parse().unwrap())),
                Some(Value::Json(serde_json::json!({"a": [1, null]}))),
                Some(Value::List(vec![Value::Integer(1), Value::List(vec![])])),
            ],
        }
    }

    pub fn hashes(record: &Record) -> Hashes {
        Hashes { key: record.key, fingerprint: record.fingerprint, destination: record.destination_hash }
    }

    #[test]
    fn a_destination_key_that_is_the_primary_key_is_written_once() {
        let own = record();
        let same = Record { destination_key: own.key_values.clone(), ..own.clone() };
        let none = Record { destination_key: vec![], ..own.clone() };
        let keyless = Record { key_values: vec![], ..none.clone() };
        for record in [&own, &same, &none, &keyless] {
            let bytes = written(record);
            let stored = Stored::parse(&bytes, hashes(record)).unwrap();
            assert_eq!(stored.to_record().unwrap(), *record);
        }
        assert_eq!(written(&same).len(), written(&none).len());
    }

    #[test]
    fn damage_is_an_error() {
        let hashes = hashes(&record());
        let mut bytes = written(&record());
        let read = |bytes: &[u8]| Stored::parse(bytes, hashes).and_then(Stored::to_record);
        assert!(read(&bytes).is_ok());
        for cut in 0..HEADER {
            assert!(read(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        let text = bytes.iter().position(|byte| *byte == b't').unwrap();
        bytes[text] = b'?';
        assert!(read(&bytes).is_err());
    }
}
