//! Records in the order of the extract, in their canonical encoding, from which values are borrowed as they are needed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use outflow_connectors::contract::{Value, ValueRef};
use outflow_connectors::rehearsal::point;

use super::spill::{Fixed, Space, array};
use crate::error::Result;
use crate::ledger::{KeyHash, RecordHash};
use crate::sync::map::Record;
use crate::transform::decode::decode_value;
use crate::transform::encode::ABSENT;

/// Where a record stands in the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub offset: u64,
    pub len: u32,
}

impl Place {
    /// Of a row that has no record.
    pub const NONE: Place = Place { offset: 0, len: 0 };

    /// Bytes in the spool; close to what a request needs for the record.
    pub fn bytes(self) -> u64 {
        u64::from(self.len)
    }
}

impl Fixed for Place {
    const WIDTH: usize = 12;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.len.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        Place { offset: u64::from_le_bytes(array(bytes, 0)), len: u32::from_le_bytes(array(bytes, 8)) }
    }
}

/// Bytes that are written at once.
const BUFFER: usize = 1 << 18;

/// Records being written.
pub struct SpoolWriter {
    space: Space,
    /// Created with the first record that does not fit in the buffer.
    file: Option<File>,
    written: u64,
    buffer: Vec<u8>,
}

/// Records that can be read from many places at once.
pub struct Spool {
    space: Space,
    file: Option<File>,
    written: u64,
    /// What follows the file's content.
    tail: Vec<u8>,
}

impl SpoolWriter {
    /// # Errors
    /// When the folder cannot take a file.
    pub fn create(space: Space) -> Result<Self> {
        Ok(SpoolWriter { space, file: None, written: 0, buffer: Vec::new() })
    }

    /// Appends what [`Stored::write`] wrote.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn append(&mut self, record: &[u8]) -> Result<Place> {
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        let offset = self.written + self.buffer.len() as u64;
        self.buffer.extend_from_slice(record);
        Ok(Place { offset, len: record.len() as u32 })
    }

    fn flush(&mut self) -> Result<()> {
        if self.file.is_none() {
            self.file = Some(self.space.file()?);
        }
        let Some(file) = &self.file else { return Ok(()) };
        self.space.take(self.buffer.len())?;
        file.write_all_at(&self.buffer, self.written).map_err(|error| self.space.failed("write", &error))?;
        point("spool.flushed");
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    pub fn finish(mut self) -> Result<Spool> {
        if self.file.is_some() {
            self.flush()?;
        }
        let SpoolWriter { space, file, written, buffer } = self;
        Ok(Spool { space, file, written, tail: buffer })
    }
}

/// Gaps between records that are read along rather than skipped.
const GAPS: u64 = 4;

impl Spool {
    pub fn read(&self, place: Place) -> Result<Record> {
        let loaded = self.load([place])?;
        loaded.get(0, place).and_then(|stored| stored.to_record()).map_err(|error| self.damaged(&error))
    }

    /// Records at these places; at once where they stand close together.
    pub fn load(&self, places: impl IntoIterator<Item = Place> + Clone) -> Result<Loaded> {
        let spans = || places.clone().into_iter().map(|place| (place.offset, place.offset + place.bytes()));
        let start = spans().map(|(start, _)| start).min().unwrap_or(0);
        let end = spans().map(|(_, end)| end).max().unwrap_or(0);
        let wanted: u64 = spans().map(|(start, end)| end - start).sum();
        if end - start <= wanted.saturating_mul(GAPS) {
            let mut bytes = vec![0; (end - start) as usize];
            self.fill(start, &mut bytes)?;
            return Ok(Loaded { bytes, starts: spans().map(|(at, _)| (at - start) as usize).collect() });
        }
        let mut loaded = Loaded { bytes: vec![0; wanted as usize], starts: Vec::new() };
        let mut at = 0;
        for (start, end) in spans() {
            loaded.starts.push(at);
            let next = at + (end - start) as usize;
            self.fill(start, &mut loaded.bytes[at..next])?;
            at = next;
        }
        Ok(loaded)
    }

    /// A record that is none, or a value of it.
    pub fn damaged(&self, error: &io::Error) -> crate::error::Error {
        self.space.failed("read", error)
    }

    fn fill(&self, offset: u64, bytes: &mut [u8]) -> Result<()> {
        match &self.file {
            Some(file) => {
                file.read_exact_at(bytes, offset).map_err(|error| self.space.failed("read", &error))
            }
            None => {
                let at = (offset - self.written) as usize;
                bytes.copy_from_slice(&self.tail[at..at + bytes.len()]);
                Ok(())
            }
        }
    }
}

/// The bytes of some records.
#[derive(Debug, Clone)]
pub struct Loaded {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Loaded {
    /// Records that begin at these places among the bytes.
    pub fn new(bytes: Vec<u8>, starts: Vec<usize>) -> Self {
        Loaded { bytes, starts }
    }

    /// The record that was asked for in this place of the list.
    ///
    /// # Errors
    /// Where it is none.
    pub fn get(&self, index: usize, place: Place) -> io::Result<Stored<'_>> {
        let start = self.starts[index];
        Stored::parse(&self.bytes[start..start + place.len as usize]).ok_or_else(damaged)
    }
}

/// A record where it stands.
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

/// Bytes before the values: three hashes, and the lengths of the first two lists.
const HEADER: usize = 16 + 16 + 8 + 4 + 4;

impl<'a> Stored<'a> {
    /// Appends the record.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key.0);
        out.extend_from_slice(&self.fingerprint.0);
        out.extend_from_slice(&self.destination_hash.to_le_bytes());
        for list in [self.key_values, self.destination_key] {
            out.extend_from_slice(&(list.len() as u32).to_le_bytes());
        }
        for list in [self.key_values, self.destination_key, self.fields] {
            out.extend_from_slice(list);
        }
    }

    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_at_checked(HEADER)?;
        let len = |at| u32::from_le_bytes(array(header, at)) as usize;
        let (key_values, rest) = rest.split_at_checked(len(40))?;
        let (destination_key, fields) = rest.split_at_checked(len(44))?;
        Some(Stored {
            key: KeyHash(array(header, 0)),
            fingerprint: RecordHash(array(header, 16)),
            destination_hash: u64::from_le_bytes(array(header, 32)),
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
mod tests {
    use outflow_connectors::contract::Number;

    use super::*;
    use crate::transform::encode::encode_value;

    fn written(record: &Record) -> Vec<u8> {
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

    fn record() -> Record {
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

    fn read_all(spool: &Spool, places: &[Place]) -> Vec<Record> {
        let loaded = spool.load(places.iter().copied()).unwrap();
        let records = places.iter().enumerate();
        records.map(|(index, place)| loaded.get(index, *place).unwrap().to_record().unwrap()).collect()
    }

    #[test]
    fn a_record_returns_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let other = Record { fields: vec![], ..record() };
        for more in [0, 3 * BUFFER / 100] {
            let mut writer = SpoolWriter::create(Space::new(folder.path(), u64::MAX, 1 << 20)).unwrap();
            let mut places =
                vec![writer.append(&written(&record())).unwrap(), writer.append(&written(&other)).unwrap()];
            places.extend((0..more).map(|_| writer.append(&written(&record())).unwrap()));
            let spool = writer.finish().unwrap();
            assert_eq!(spool.file.is_some(), more > 0);
            assert_eq!(spool.read(places[1]).unwrap(), other);
            assert_eq!(spool.read(places[0]).unwrap(), record());
            let last = places.len() - 1;
            assert_eq!(
                read_all(&spool, &[places[last], places[1]]),
                [spool.read(places[last]).unwrap(), other.clone()]
            );
            assert_eq!(read_all(&spool, &[]), []);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
    }

    #[test]
    fn damage_is_an_error() {
        let mut bytes = written(&record());
        let read = |bytes: &[u8]| Stored::parse(bytes).map(|stored| stored.to_record());
        assert!(read(&bytes).unwrap().is_ok());
        for cut in 0..HEADER {
            assert!(read(&bytes[..cut]).is_none(), "cut at {cut}");
        }
        let text = bytes.iter().position(|byte| *byte == b't').unwrap();
        bytes[text] = b'?';
        assert!(read(&bytes).unwrap().is_err());
    }
}
