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

/// Rows of one file, packed.
pub(super) struct Sheet {
    columns: Vec<Column>,
    out: GzEncoder<Vec<u8>>,
    line: Vec<u8>,
    pub(super) sent: Vec<Sent>,
}

struct Column {
    name: String,
    id: String,
}

impl Sheet {
    /// A file for these fields; `None` where one has no definition, or holds dates and those are not wanted: how an import
    /// reads them stands in no document that we know.
    ///
    /// # Errors
    /// [`Kind::Internal`] where it cannot be written.
    pub(super) fn new(
        fields: &[String],
        definitions: &Definitions,
        dates: bool,
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
        let mut sheet = Sheet { columns, out, line: Vec::new(), sent: Vec::new() };
        for at in 0..sheet.columns.len() {
            let name = std::mem::take(&mut sheet.columns[at].name);
            sheet.cell(at, &name);
            sheet.columns[at].name = name;
        }
        sheet.end_line()?;
        Ok(Some(sheet))
    }

    /// The ids of the columns' fields, in their order.
    pub(super) fn mappings(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.id.as_str()).collect()
    }

    /// Adds a row; `false` for one that leaves a column empty.
    ///
    /// # Errors
    /// [`Kind::Internal`] where it cannot be written.
    pub(super) fn push(&mut self, sent: Sent, change: ChangeRef<'_>) -> Result<bool, ConnectorError> {
        self.line.clear();
        for at in 0..self.columns.len() {
            match value(change, &self.columns[at].name) {
                Some(field) if is_cell(&field.value) => {
                    let text = encode::date(&field.value);
                    self.cell(at, &text);
                }
                _ => return Ok(false),
            }
        }
        self.end_line()?;
        self.sent.push(sent);
        Ok(true)
    }

    /// The whole file.
    ///
    /// # Errors
    /// [`Kind::Internal`] where it cannot be written.
    pub(super) fn finish(self) -> Result<(Vec<u8>, Vec<Sent>), ConnectorError> {
        Ok((self.out.finish().map_err(unwritten)?, self.sent))
    }

    /// In quotes, with those inside doubled, as RFC 4180 says.
    fn cell(&mut self, at: usize, text: &str) {
        if at > 0 {
            self.line.push(b',');
        }
        match text.contains(['"', ',', '\n', '\r']) || text.starts_with(' ') || text.ends_with(' ') {
            true => {
                self.line.push(b'"');
                self.line.extend_from_slice(text.replace('"', "\"\"").as_bytes());
                self.line.push(b'"');
            }
            false => self.line.extend_from_slice(text.as_bytes()),
        }
    }

    fn end_line(&mut self) -> Result<(), ConnectorError> {
        self.line.push(b'\n');
        self.out.write_all(&self.line).map_err(unwritten)?;
        self.line.clear();
        Ok(())
    }
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
        assert!(Sheet::new(&fields, &definitions, false).unwrap().is_none(), "dates are not wanted");
        assert!(Sheet::new(&["city".to_owned()], &definitions, true).unwrap().is_none(), "no definition");
        let mut sheet = Sheet::new(&fields, &definitions, true).unwrap().unwrap();
        assert_eq!(sheet.mappings(), ["_rf0_T", "_rf2_T", "e4_D"]);
        let field = |name: &str, value: Value| FieldValue { name: name.into(), value };
        let day = Value::Date("2026-02-03".parse().unwrap());
        for (place, name, since, fits) in [
            (0, Value::Text("A \"B\", C\nD".into()), day.clone(), true),
            (1, Value::Null, day.clone(), false),
            (2, Value::Text("Zoë".into()), Value::Null, false),
            (3, Value::Text(String::new()), day.clone(), false),
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
}
