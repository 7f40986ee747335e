//! Candidates between the extract and the delivery: an anonymous file that only this process can read and that
//! vanishes with it, however it ends.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use jiff::{Timestamp, civil};
use outflow_connectors::contract::{Number, Value};

use super::map::Record;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{KeyHash, RecordHash};

/// Where a record stands in the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    offset: u64,
    len: u32,
}

impl Place {
    /// Bytes in the spool; close to what a request needs for the record.
    pub fn bytes(self) -> u64 {
        u64::from(self.len)
    }
}

/// Records being written.
pub struct SpoolWriter {
    file: BufWriter<File>,
    folder: PathBuf,
    offset: u64,
    buffer: Vec<u8>,
}

/// Records that can be read from many places at once.
pub struct Spool {
    file: File,
    folder: PathBuf,
}

impl SpoolWriter {
    /// # Errors
    /// When the folder cannot take a file.
    pub fn create(folder: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(folder).map_err(|error| failed("create", folder, &error))?;
        let (file, folder) = (BufWriter::with_capacity(1 << 18, file), folder.to_owned());
        Ok(SpoolWriter { file, folder, offset: 0, buffer: Vec::new() })
    }

    pub fn append(&mut self, record: &Record) -> Result<Place> {
        self.buffer.clear();
        write_record(record, &mut self.buffer);
        self.file.write_all(&self.buffer).map_err(|error| failed("write", &self.folder, &error))?;
        let place = Place { offset: self.offset, len: self.buffer.len() as u32 };
        self.offset += self.buffer.len() as u64;
        Ok(place)
    }

    pub fn finish(self) -> Result<Spool> {
        let mut file =
            self.file.into_inner().map_err(|error| failed("write", &self.folder, error.error()))?;
        file.seek(SeekFrom::Start(0)).map_err(|error| failed("read", &self.folder, &error))?;
        Ok(Spool { file, folder: self.folder })
    }
}

impl Spool {
    pub fn read(&self, place: Place) -> Result<Record> {
        let mut bytes = vec![0; place.len as usize];
        self.file
            .read_exact_at(&mut bytes, place.offset)
            .map_err(|error| failed("read", &self.folder, &error))?;
        read_record(&mut &bytes[..]).map_err(|error| failed("read", &self.folder, &error))
    }
}

fn failed(doing: &str, folder: &Path, error: &std::io::Error) -> Error {
    let message = format!("cannot {doing} the spool file of this run in `{}`", folder.display());
    Error::new("OF-STA-020", ErrorKind::State, message)
        .because(error)
        .hint("free some disk space there; nothing was lost, run it again")
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
        let mut writer = SpoolWriter::create(folder.path()).unwrap();
        let other = Record { fields: vec![], ..record() };
        let places = [writer.append(&record()).unwrap(), writer.append(&other).unwrap()];
        let spool = writer.finish().unwrap();
        assert_eq!(spool.read(places[1]).unwrap(), other);
        assert_eq!(spool.read(places[0]).unwrap(), record());
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
