//! The file of an import: CSV, packed while it is written.
//!
//! What an empty cell means stands in no document that we know, so only rows that fill every column are written; the others go
//! by calls.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::encode::{self, Sent, is_empty};
use super::fields::{Definitions, Type};
use crate::contract::{ChangeRef, ConnectorError, FieldRef, Kind, ValueRef};
use crate::delimited::push_cell;
use crate::split::{Fit, Limits, Splitter};

/// Rows of one file, packed.
pub(super) struct Sheet {
    columns: Vec<Column>,
    out: GzEncoder<Vec<u8>>,
    line: Vec<u8>,
    /// Counts what the file has before it is packed.
    size: Splitter,
    pub(super) sent: Vec<Sent>,
}

struct Column {
    name: String,
    id: String,
}

impl Sheet {
    /// A file for these fields, within these limits; `None` where one has no definition, or holds dates and those are not
    /// wanted: how an import reads them stands in no document that we know.
    ///
    /// # Errors
    /// [`Kind::Internal`] where it cannot be written.
    pub(super) fn new(
        fields: &[String],
        definitions: &Definitions,
        dates: bool,
        limits: Limits,
    ) -> Result<Option<Self>, ConnectorError> {
        let column = |name: &String| {
            let definition =
                definitions.get(name).filter(|definition| dates || definition.kind != Type::Date)?;
            Some(Column { name: name.clone(), id: definition.id.clone() })
        };
        let Some(columns) = fields.iter().map(column).collect::<Option<Vec<Column>>>() else {
            return Ok(None);
        };
        let out = GzEncoder::new(Vec::new(), Compression::fast());
        let mut line = Vec::new();
        columns.iter().for_each(|column| cell(&column.name, &mut line));
        end(&mut line);
        let size = Splitter::new(limits, line.len() as u64);
        let mut sheet = Sheet { columns, out, line, size, sent: Vec::new() };
        sheet.write()?;
        Ok(Some(sheet))
    }

    /// The ids of the columns' fields, in their order.
    pub(super) fn mappings(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.id.as_str()).collect()
    }

    /// Adds a row where it fits. [`Fit::Never`] for one that no file can have: it leaves a column empty, or is too large by
    /// itself.
    ///
    /// # Errors
    /// [`Kind::Internal`] where it cannot be written.
    pub(super) fn push(&mut self, sent: Sent, change: ChangeRef<'_>) -> Result<Fit, ConnectorError> {
        self.line.clear();
        for column in &self.columns {
            match value(change, &column.name) {
                Some(field) if is_cell(&field.value) => cell(&encode::date(&field.value), &mut self.line),
                _ => return Ok(Fit::Never),
            }
        }
        end(&mut self.line);
        let bytes = self.line.len() as u64;
        let fit = self.size.fit(bytes);
        if fit == Fit::Here {
            self.size.take(bytes);
            self.write()?;
            self.sent.push(sent);
        }
        Ok(fit)
    }

    /// The whole file.
    ///
    /// # Errors
    /// [`Kind::Internal`] where it cannot be written.
    pub(super) fn finish(self) -> Result<(Vec<u8>, Vec<Sent>), ConnectorError> {
        Ok((self.out.finish().map_err(unwritten)?, self.sent))
    }

    fn write(&mut self) -> Result<(), ConnectorError> {
        self.out.write_all(&self.line).map_err(unwritten)
    }
}

/// Appends a cell and its comma.
fn cell(text: &str, line: &mut Vec<u8>) {
    push_cell(text.as_bytes(), b',', line);
    line.push(b',');
}

/// Ends a line in place of its last comma.
fn end(line: &mut Vec<u8>) {
    line.pop();
    line.push(b'\n');
}

fn is_cell(value: &ValueRef<'_>) -> bool {
    !is_empty(value) && !matches!(value, ValueRef::List(_))
}

/// The field of a change; the match key's own value stands in for one that the change does not have.
fn value<'a>(change: ChangeRef<'a>, name: &str) -> Option<&'a FieldRef<'a>> {
    change.fields.iter().chain(change.destination_key).find(|field| field.name == name)
}

fn unwritten(error: std::io::Error) -> ConnectorError {
    ConnectorError::new(Kind::Internal, "the file of an import could not be written").source(error)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use serde_json::json;

    use super::*;
    use crate::contract::{Change, FieldValue, Value, Verb};

    #[test]
    fn a_file_has_the_rows_that_fill_every_column() {
        let definitions = Definitions::read(&json!({
            "custom_fields": [{"id": "e4_D", "name": "since", "field_type": "Date"}],
            "reserved_fields": [{"id": "_rf0_T", "name": "first_name", "field_type": "Text"}, {"id": "_rf2_T", "name": "email", "field_type": "Text"}],
        }));
        let definitions = definitions.unwrap();
        let fields = ["first_name".to_owned(), "email".to_owned(), "since".to_owned()];
        let new = |fields: &[String], dates| Sheet::new(fields, &definitions, dates, Limits::NONE).unwrap();
        assert!(new(&fields[..], false).is_none(), "dates are not wanted");
        assert!(new(&["city".to_owned()][..], true).is_none(), "no definition");
        let mut sheet = new(&fields[..], true).unwrap();
        assert_eq!(sheet.mappings(), ["_rf0_T", "_rf2_T", "e4_D"]);
        let field = |name: &str, value: Value| FieldValue { name: name.into(), value };
        let day = Value::Date("2026-02-03".parse().unwrap());
        for (place, name, since, fits) in [
            (0, Value::Text("A \"B\", C\nD".into()), day.clone(), Fit::Here),
            (1, Value::Null, day.clone(), Fit::Never),
            (2, Value::Text("Zoë".into()), Value::Null, Fit::Never),
            (3, Value::Text(String::new()), day.clone(), Fit::Never),
        ] {
            let change = Change {
                verb: Verb::Upsert,
                destination_key: vec![field("email", Value::Text("a@x.io".into()))],
                remote_id: None,
                fields: vec![field("first_name", name), field("since", since)],
            };
            let sent = Sent { place, key: "a@x.io".to_owned() };
            assert_eq!(change.borrowed(|change| sheet.push(sent, change)).unwrap(), fits, "{place}");
        }
        let (packed, sent) = sheet.finish().unwrap();
        let mut text = String::new();
        GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "first_name,email,since\n\"A \"\"B\"\", C\nD\",a@x.io,2026-02-03T00:00:00Z\n");
        assert_eq!(sent.len(), 1);
    }

    #[test]
    fn a_file_takes_no_row_beyond_its_limits_with_the_header_counted() {
        let definitions = Definitions::read(
            &json!({"reserved_fields": [{"id": "_rf2_T", "name": "email", "field_type": "Text"}]}),
        );
        let limits = Limits { rows: 3, bytes: 16 };
        let sheet = Sheet::new(&["email".to_owned()], &definitions.unwrap(), false, limits);
        let mut sheet = sheet.unwrap().unwrap();
        // `email` and the end of its line have six bytes.
        for (place, email, fit) in [
            (0, "abcd", Fit::Here),
            (1, "a\"b", Fit::Next),
            (2, "a\"bcdef", Fit::Never),
            (3, "efgh", Fit::Here),
            (4, "i", Fit::Next),
        ] {
            let email = FieldValue { name: "email".into(), value: Value::Text(email.into()) };
            let change =
                Change { verb: Verb::Upsert, destination_key: vec![email], remote_id: None, fields: vec![] };
            let sent = Sent { place, key: String::new() };
            assert_eq!(change.borrowed(|change| sheet.push(sent, change)).unwrap(), fit, "{place}");
        }
        let (packed, sent) = sheet.finish().unwrap();
        let mut text = String::new();
        GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), sent.len()), ("email\nabcd\nefgh\n", 2));
    }
}
