//! The canonical bytes of values, and the salted hashes over them. Stored in every ledger: a change of any byte needs a
//! new [`ENCODING_VERSION`] and a migration.

use outflow_connectors::contract::{Cell, FieldType, Number, Value};
use sha2::{Digest, Sha256};

use super::convert::{Conversion, convert};
use super::fault::{self, Fault};
use super::json;
use super::sha::Midstate;

/// Stored with the ledger.
pub const ENCODING_VERSION: u32 = 1;

/// Appends a value: a tag, a length where it varies (LEB128), the content. No encoding is a prefix of another, so a
/// sequence of values can be read back in one way only. Integers and numbers share one form: 1 is 1.
///
/// | tag | content |
/// |---|---|
/// | `0` | null |
/// | `F`, `T` | false, true |
/// | `n` | length, canonical decimal text |
/// | `t` | length, UTF-8 |
/// | `d` | year (i16), month, day; big-endian |
/// | `i` | nanoseconds since 1970 (i128, big-endian) |
/// | `j` | length, canonical JSON text |
/// | `l` | number of items, the items |
pub fn encode_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(b'0'),
        Value::Boolean(false) => out.push(b'F'),
        Value::Boolean(true) => out.push(b'T'),
        Value::Integer(i) => tagged(b'n', i.to_string().as_bytes(), out),
        Value::Number(n) => tagged(b'n', n.as_str().as_bytes(), out),
        Value::Text(s) => tagged(b't', s.as_bytes(), out),
        Value::Date(d) => {
            out.push(b'd');
            out.extend_from_slice(&d.year().to_be_bytes());
            out.extend_from_slice(&[d.month() as u8, d.day() as u8]);
        }
        Value::DateTime(t) => {
            out.push(b'i');
            out.extend_from_slice(&t.as_nanosecond().to_be_bytes());
        }
        Value::Json(j) => {
            let mut text = String::new();
            json::write(j, &mut text);
            tagged(b'j', text.as_bytes(), out);
        }
        Value::List(items) => {
            out.push(b'l');
            length(items.len(), out);
            for item in items {
                encode_value(item, out);
            }
        }
    }
}

#[inline]
pub(super) fn tagged(tag: u8, content: &[u8], out: &mut Vec<u8>) {
    match content.len() {
        short @ 0..0x80 => out.extend_from_slice(&[tag, short as u8]),
        long => {
            out.push(tag);
            length(long, out);
        }
    }
    out.extend_from_slice(content);
}

/// Unsigned LEB128.
fn length(mut n: usize, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// A part of a row's key. Integral numbers have one form whatever their type; text is never parsed, so `1` and `'1'`
/// are two keys; floats keep all their digits, so that two keys never become one.
///
/// # Errors
/// A fault for null, bytes, NaN and what the driver couldn't read.
pub fn key_value(cell: Cell<'_>) -> Result<Value, Fault> {
    let number = match cell {
        Cell::Null => return Err(Fault::new(fault::KEY_NULL, "a column of the primary key is null")),
        Cell::Bytes(_) => {
            let problem = "cannot identify a row; convert it in the query, for instance with `hex(column)`";
            return Err(Fault::value(fault::KEY_TYPE, cell, problem));
        }
        Cell::Text(s) => return Ok(Value::Text(s.to_owned())),
        Cell::Bool(b) => return Ok(Value::Boolean(b)),
        Cell::Integer(i) => return Ok(Value::Integer(i)),
        Cell::Decimal { digits, scale } => Number::from_decimal(digits, scale),
        Cell::Float(f) => whole_float(f).ok_or_else(|| {
            Fault::value(fault::KEY_TYPE, cell, "is not a finite number and cannot identify a row")
        })?,
        Cell::Date(_) => return convert(cell, &Conversion::new(FieldType::Date)),
        Cell::Timestamp(_) | Cell::DateTime(_) => {
            return convert(cell, &Conversion::new(FieldType::DateTime));
        }
        Cell::Json(_) => return convert(cell, &Conversion::new(FieldType::Json)),
        Cell::List(_) => return convert(cell, &Conversion::new(FieldType::List)),
        Cell::Malformed(_) => return convert(cell, &Conversion::new(FieldType::String)),
    };
    Ok(match number.as_str().parse() {
        Ok(i) => Value::Integer(i),
        Err(_) => Value::Number(number),
    })
}

/// All digits of an integral float, and the shortest that name any other.
fn whole_float(value: f64) -> Option<Number> {
    let text = if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value}") };
    Number::parse(&text).ok()
}

/// Hashes keys, records and fields under the project's salt, each kind in a domain of its own.
#[derive(Clone)]
pub struct Hasher {
    /// SHA-256 after one block: the salt's digest, the encoding's version, zeros.
    salted: Midstate,
}

/// The first byte of what is hashed: hashes of different things never meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// The parts of a row's key.
    Key,
    /// A row's key hash, the name and value of one field.
    Field,
    /// The parts of a destination key.
    Destination,
    /// What the key of a source hash is made of.
    Source,
}

impl Domain {
    /// Bytes of a message before its parts.
    pub const LENGTH: usize = 1;

    /// Begins a new message in a buffer.
    pub fn begin(self, out: &mut Vec<u8>) {
        out.clear();
        out.push(match self {
            Domain::Key => b'k',
            Domain::Field => b'f',
            Domain::Destination => b'd',
            Domain::Source => b's',
        });
    }
}

/// Appends the name of a record's field.
pub fn encode_name(name: &str, out: &mut Vec<u8>) {
    tagged(b'f', name.as_bytes(), out);
}

impl Hasher {
    /// Absorbs the salt once.
    pub fn new(salt: &[u8]) -> Self {
        let mut block = [0; 64];
        block[..32].copy_from_slice(&Sha256::digest(salt));
        block[32..36].copy_from_slice(&ENCODING_VERSION.to_be_bytes());
        Hasher { salted: Midstate::after(block) }
    }

    /// The hash of a message that [`Domain::begin`] began; the buffer's content is spent.
    pub fn finish(&self, message: &mut Vec<u8>) -> [u8; 16] {
        self.salted.finish(message)
    }

    /// The first 64 bits of [`Self::finish`].
    pub fn finish_short(&self, message: &mut Vec<u8>) -> u64 {
        (u128::from_be_bytes(self.finish(message)) >> 64) as u64
    }

    /// The hash of a row's key.
    pub fn key(&self, parts: &[Value]) -> [u8; 16] {
        self.finish(&mut message(Domain::Key, |out| parts.iter().for_each(|part| encode_value(part, out))))
    }

    /// Absorbs the names of a record's fields once for all records of a mapping; they come sorted.
    pub fn records<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> RecordHasher {
        let mut listed = Vec::new();
        names.into_iter().for_each(|name| encode_name(name, &mut listed));
        let mut block = [0; 64];
        block[0] = b'r';
        block[1..33].copy_from_slice(&Sha256::digest(&listed));
        RecordHasher { named: self.salted.then(block) }
    }

    /// The hash of one field of a key's record.
    pub fn field(&self, key: &[u8; 16], name: &str, value: &Value) -> u64 {
        self.finish_short(&mut message(Domain::Field, |out| {
            out.extend_from_slice(key);
            encode_name(name, out);
            encode_value(value, out);
        }))
    }

    /// As [`Self::field`], by the canonical bytes of the value; what is in `message` goes.
    pub fn encoded_field(&self, key: &[u8; 16], name: &str, value: &[u8], message: &mut Vec<u8>) -> u64 {
        Domain::Field.begin(message);
        message.extend_from_slice(key);
        encode_name(name, message);
        message.extend_from_slice(value);
        self.finish_short(message)
    }

    /// The hash of a destination key.
    pub fn destination(&self, parts: &[Value]) -> u64 {
        let mut parts =
            message(Domain::Destination, |out| parts.iter().for_each(|part| encode_value(part, out)));
        self.finish_short(&mut parts)
    }
}

/// Hashes the records of one mapping. The message is the row's key hash and each field's value, or [`ABSENT`].
#[derive(Clone)]
pub struct RecordHasher {
    /// SHA-256 after the salt's block and one of the letter `r`, the digest of the fields' names, zeros.
    named: Midstate,
}

/// Stands for a field that the record does not have; no value begins with it.
pub const ABSENT: u8 = b'-';

impl RecordHasher {
    /// The fingerprint of a message; the buffer's content is spent.
    pub fn finish(&self, message: &mut Vec<u8>) -> [u8; 16] {
        self.named.finish(message)
    }

    /// As [`Self::finish`], of the message from `start` on.
    pub fn finish_from(&self, messages: &mut Vec<u8>, start: usize) -> [u8; 16] {
        self.named.finish_from(messages, start)
    }

    /// The fingerprint of a key's record; the values come in the order of the names.
    pub fn record<'a>(
        &self,
        key: &[u8; 16],
        values: impl IntoIterator<Item = Option<&'a Value>>,
    ) -> [u8; 16] {
        let mut message = key.to_vec();
        for value in values {
            match value {
                Some(value) => encode_value(value, &mut message),
                None => message.push(ABSENT),
            }
        }
        self.finish(&mut message)
    }
}

fn message(domain: Domain, fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut message = Vec::with_capacity(256);
    domain.begin(&mut message);
    fill(&mut message);
    message
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integral_keys_have_one_form_and_text_is_never_parsed() {
        let one = key_value(Cell::Integer(1)).unwrap();
        for cell in [Cell::Float(1.0), Cell::Decimal { digits: 100, scale: 2 }] {
            assert_eq!(key_value(cell).unwrap(), one, "{cell:?}");
        }
        assert_ne!(key_value(Cell::Text("1")).unwrap(), one);
        assert_ne!(key_value(Cell::Text("01")).unwrap(), key_value(Cell::Text("1")).unwrap());
        let large = 1_i64 << 60;
        assert_eq!(key_value(Cell::Float(large as f64)).unwrap(), Value::Integer(large));
        assert_ne!(key_value(Cell::Float(0.1 + 0.2)).unwrap(), key_value(Cell::Float(0.3)).unwrap());
        assert_eq!(key_value(Cell::Float(-0.0)).unwrap(), Value::Integer(0));
    }

    #[test]
    fn what_cannot_identify_a_row_is_a_fault() {
        for (cell, code) in [
            (Cell::Null, "OF-ROW-001"),
            (Cell::Malformed("invalid UTF-8 at byte 3"), "OF-ROW-002"),
            (Cell::Bytes(b"x"), "OF-ROW-003"),
            (Cell::Float(f64::NAN), "OF-ROW-003"),
            (Cell::Float(f64::INFINITY), "OF-ROW-003"),
        ] {
            assert_eq!(key_value(cell).unwrap_err().code, code, "{cell:?}");
        }
    }

    #[test]
    fn hashes_depend_on_salt_domain_key_name_and_value() {
        let hasher = Hasher::new(b"salt");
        let parts = [Value::Integer(1)];
        let key = hasher.key(&parts);
        assert_ne!(key, Hasher::new(b"other").key(&parts));
        assert_ne!(key[..8], hasher.destination(&parts).to_be_bytes());
        assert_ne!(key, hasher.key(&[Value::Text("1".into())]));
        let text = Value::Text("x".into());
        let (text_null, records) = ([Some(&text), Some(&Value::Null)], hasher.records(["a", "b"]));
        let record = records.record(&key, text_null);
        assert_eq!(record, hasher.records(["a", "b"]).record(&key, text_null));
        for other in [
            records.record(&[0; 16], text_null),
            records.record(&key, [Some(&text), None]),
            records.record(&key, [Some(&Value::Null), Some(&text)]),
            hasher.records(["a"]).record(&key, [Some(&text)]),
            hasher.records(["a", "c"]).record(&key, text_null),
            hasher.records(["ab"]).record(&key, text_null),
        ] {
            assert_ne!(record, other);
        }
        assert_ne!(hasher.field(&key, "a", &text), hasher.field(&key, "b", &text));
        assert_ne!(hasher.field(&key, "a", &text), hasher.field(&[0; 16], "a", &text));
    }

    #[test]
    fn hashes_never_change() {
        // Computed by another program from the table above: the first blocks, the domain's letter, the parts.
        let hasher = Hasher::new(b"salt");
        let key = hasher.key(&[Value::Integer(42), Value::Text("ß".into())]);
        let values = [Some(&Value::Text("a@b.c".into())), Some(&Value::Null), None];
        let found = [
            hex(&key),
            hex(&hasher.records(["email", "ltv", "seen"]).record(&key, values)),
            format!("{:016x}", hasher.field(&key, "ltv", &Value::Null)),
            format!("{:016x}", hasher.destination(&[Value::Text("a@b.c".into())])),
        ];
        assert_eq!(
            found,
            [
                "12c5cd4b10596a1b6007d32bb289d309",
                "68592706e88ea6546b5f6909e7c8bc42",
                "b1d54cd1c4bcd963",
                "ed2420c6638b5037"
            ]
        );
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    #[test]
    fn the_hasher_does_not_print_its_salt() {
        assert_eq!(format!("{:?}", Hasher::new(b"salt")), "Hasher(..)");
    }
}
