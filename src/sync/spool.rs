//! Records between the extract and the delivery, in the order of the extract: an anonymous file that only this process
//! can read and that vanishes with it, however it ends.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

use jiff::{Timestamp, civil};
use outflow_connectors::contract::{Number, Value};
use outflow_connectors::rehearsal::point;

use super::map::Record;
use super::spill::Space;
use crate::error::Result;
use crate::ledger::{KeyHash, RecordHash};

/// Where a record stands in the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub(super) offset: u64,
    pub(super) len: u32,
}

impl Place {
    /// Of a row that has no record.
    pub const NONE: Place = Place { offset: 0, len: 0 };

    /// Bytes in the spool; close to what a request needs for the record.
    pub fn bytes(self) -> u64 {
        u64::from(self.len)
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

    pub fn append(&mut self, record: &Record) -> Result<Place> {
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        let before = self.buffer.len();
        write_record(record, &mut self.buffer);
        let offset = self.written + before as u64;
        Ok(Place { offset, len: (self.buffer.len() - before) as u32 })
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
        let mut bytes = vec![0; place.len as usize];
        self.fill(place.offset, &mut bytes)?;
        read_record(&mut &bytes[..]).map_err(|error| self.space.failed("read", &error))
    }

    /// Records at these places; at once where they stand close together.
    pub fn read_all(&self, places: &[Place]) -> Result<Vec<Record>> {
        let start = places.iter().map(|place| place.offset).min().unwrap_or(0);
        let end = places.iter().map(|place| place.offset + place.bytes()).max().unwrap_or(0);
        let wanted: u64 = places.iter().map(|place| place.bytes()).sum();
        if end - start > wanted.saturating_mul(GAPS) {
            return places.iter().map(|place| self.read(*place)).collect();
        }
        let mut bytes = vec![0; (end - start) as usize];
        self.fill(start, &mut bytes)?;
        let records = places.iter().map(|place| {
            let at = (place.offset - start) as usize;
            read_record(&mut &bytes[at..at + place.len as usize])
                .map_err(|error| self.space.failed("read", &error))
        });
        records.collect()
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

fn write_record(record: &Record, out: &mut Vec<u8>) {
    out.extend_from_slice(&record.key.0);
    out.extend_from_slice(&record.fingerprint.0);
    out.extend_from_slice(&record.destination_hash.to_le_bytes());
    write_list(&record.key_values, out, write_value);
    write_list(&record.destination_key, out, write_value);
    write_list(&record.fields, out, |field, out| match field {
        None => out.push(0),
        Some(value) => {
            out.push(1);
            write_value(value, out);
        }
    });
}

fn write_list<T>(items: &[T], out: &mut Vec<u8>, mut write: impl FnMut(&T, &mut Vec<u8>)) {
    out.extend_from_slice(&(items.len() as u32).to_le_bytes());
    for item in items {
        write(item, out);
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0),
        Value::Boolean(b) => out.extend_from_slice(&[1, u8::from(*b)]),
        Value::Integer(i) => {
            out.push(2);
            out.extend_from_slice(&i.to_le_bytes());
        }
        Value::Number(n) => write_text(3, n.as_str(), out),
        Value::Text(text) => write_text(4, text, out),
        Value::Date(date) => write_text(5, &date.to_string(), out),
        Value::DateTime(time) => {
            out.push(6);
            out.extend_from_slice(&time.as_nanosecond().to_le_bytes());
        }
        Value::Json(json) => write_text(7, &json.to_string(), out),
        Value::List(items) => {
            out.push(8);
            write_list(items, out, write_value);
        }
    }
}

fn write_text(tag: u8, text: &str, out: &mut Vec<u8>) {
    out.push(tag);
    write_bytes(text.as_bytes(), out);
}

type Io<T> = std::io::Result<T>;

fn read_record(input: &mut &[u8]) -> Io<Record> {
    Ok(Record {
        key: KeyHash(read_array(input)?),
        fingerprint: RecordHash(read_array(input)?),
        destination_hash: u64::from_le_bytes(read_array(input)?),
        key_values: read_list(input, read_value)?,
        destination_key: read_list(input, read_value)?,
        fields: read_list(input, |input| match read_array::<1>(input)? {
            [0] => Ok(None),
            _ => read_value(input).map(Some),
        })?,
    })
}

fn read_array<const N: usize>(input: &mut &[u8]) -> Io<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_list<T>(input: &mut &[u8], read: impl Fn(&mut &[u8]) -> Io<T>) -> Io<Vec<T>> {
    let len = u32::from_le_bytes(read_array(input)?);
    (0..len).map(|_| read(input)).collect()
}

fn read_text(input: &mut &[u8]) -> Io<String> {
    let len = u32::from_le_bytes(read_array(input)?) as usize;
    if len > input.len() {
        return Err(damaged("a text is cut"));
    }
    let (text, rest) = input.split_at(len);
    *input = rest;
    String::from_utf8(text.to_vec()).map_err(damaged)
}

fn damaged(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, error)
}

fn read_value(input: &mut &[u8]) -> Io<Value> {
    Ok(match read_array::<1>(input)? {
        [0] => Value::Null,
        [1] => Value::Boolean(read_array::<1>(input)? != [0]),
        [2] => Value::Integer(i64::from_le_bytes(read_array(input)?)),
        [3] => Value::Number(Number::parse(&read_text(input)?).map_err(damaged)?),
        [4] => Value::Text(read_text(input)?),
        [5] => Value::Date(read_text(input)?.parse::<civil::Date>().map_err(damaged)?),
        [6] => Value::DateTime(
            Timestamp::from_nanosecond(i128::from_le_bytes(read_array(input)?)).map_err(damaged)?,
        ),
        [7] => Value::Json(serde_json::from_str(&read_text(input)?).map_err(damaged)?),
        [8] => Value::List(read_list(input, read_value)?),
        [tag] => return Err(damaged(format!("no value has the tag {tag}"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_record_returns_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let other = Record { fields: vec![], ..record() };
        for more in [0, 3 * BUFFER / 100] {
            let mut writer = SpoolWriter::create(Space::new(folder.path(), u64::MAX, 1 << 20)).unwrap();
            let mut places = vec![writer.append(&record()).unwrap(), writer.append(&other).unwrap()];
            places.extend((0..more).map(|_| writer.append(&record()).unwrap()));
            let spool = writer.finish().unwrap();
            assert_eq!(spool.file.is_some(), more > 0);
            assert_eq!(spool.read(places[1]).unwrap(), other);
            assert_eq!(spool.read(places[0]).unwrap(), record());
            let last = places.len() - 1;
            assert_eq!(
                spool.read_all(&[places[last], places[1]]).unwrap(),
                [spool.read(places[last]).unwrap(), other.clone()]
            );
            assert_eq!(spool.read_all(&[]).unwrap(), []);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
    }

    #[test]
    fn damage_is_an_error() {
        let mut bytes = Vec::new();
        write_record(&record(), &mut bytes);
        for cut in 0..bytes.len() {
            assert!(read_record(&mut &bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}
