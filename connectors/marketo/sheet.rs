//! The files of imports: CSV in a multipart body (`bulk-lead-import.md`), each below the 10 MB that Marketo takes.
//!
//! What an empty cell, the word `NULL` and a break of a line mean to an import stands on no page that we know, so only rows that fill
//! every column with something else are written; the others go by calls.

use reqwest::header::HeaderValue;

use super::encode::text_of;
use super::options::Options;
use crate::contract::{ChangeRef, ConnectorError, FieldRef, Kind, Outcome, ValueRef};
use crate::delimited::push_cell;
use crate::http::escaped;
use crate::split::{Fit, Limits, Splitter};

/// Rows of one import, and bytes of its whole body ("less than 10MB", taken for millions, with room for the frame).
pub(super) const FILE: (usize, usize) = (50_000, 9_900_000);

/// Bytes around the file itself.
const FRAME: u64 = 1_000;

/// A row of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    /// The change's place in its batch.
    pub(super) place: usize,
    pub(super) key: String,
}

/// One import's file.
pub(super) struct File {
    text: Vec<u8>,
    pub(super) sent: Vec<Sent>,
}

/// The files of a batch while they are written.
pub(super) struct Sheet<'a> {
    /// The key is the first of them.
    columns: Vec<&'a str>,
    header: Vec<u8>,
    part: Splitter,
    line: Vec<u8>,
    files: Vec<File>,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(key: &'a str, fields: &'a [String]) -> Self {
        let others = fields.iter().map(String::as_str).filter(|field| *field != key);
        let columns: Vec<&str> = std::iter::once(key).chain(others).collect();
        let mut header = Vec::new();
        for (at, name) in columns.iter().enumerate() {
            if at > 0 {
                header.push(b',');
            }
            push_cell(name.as_bytes(), b',', &mut header);
        }
        header.push(b'\n');
        let part = blank(&header);
        Sheet { columns, header, part, line: Vec::new(), files: Vec::new() }
    }

    /// Adds a row; `false` for one that no file can say.
    ///
    /// # Errors
    /// The row's refusal, where no call could say it either.
    pub(super) fn push(&mut self, sent: Sent, change: ChangeRef<'_>) -> Result<bool, Outcome> {
        self.line.clear();
        for (at, name) in self.columns.iter().copied().enumerate() {
            let text = match field(change, name) {
                // The key has the name that the mapping gives it.
                Some(field) => text_of(&FieldRef { name, value: field.value.clone() })?,
                None => return Ok(false),
            };
            if !is_sayable(&text) {
                return Ok(false);
            }
            if at > 0 {
                self.line.push(b',');
            }
            push_cell(text.as_bytes(), b',', &mut self.line);
        }
        self.line.push(b'\n');
        match self.part.fit(self.line.len() as u64) {
            Fit::Never => return Ok(false),
            Fit::Here if !self.files.is_empty() => {}
            Fit::Here | Fit::Next => {
                self.part = blank(&self.header);
                self.files.push(File { text: self.header.clone(), sent: Vec::new() });
            }
        }
        self.part.take(self.line.len() as u64);
        if let Some(file) = self.files.last_mut() {
            file.text.extend_from_slice(&self.line);
            file.sent.push(sent);
        }
        Ok(true)
    }

    pub(super) fn files(self) -> Vec<File> {
        self.files
    }
}

fn blank(header: &[u8]) -> Splitter {
    Splitter::new(Limits { rows: FILE.0 as u64, bytes: FILE.1 as u64 }, FRAME + header.len() as u64)
}

/// The field of a change; the match key's own value stands in for one that the change does not have.
fn field<'a>(change: ChangeRef<'a>, name: &str) -> Option<&'a FieldRef<'a>> {
    let found = change.fields.iter().chain(change.destination_key).find(|field| field.name == name);
    found.filter(|field| !matches!(field.value, ValueRef::Null))
}

fn is_sayable(text: &str) -> bool {
    let bare = text.trim();
    !bare.is_empty() && !bare.eq_ignore_ascii_case("null") && !text.contains(['\n', '\r', '\0'])
}

/// What an import is asked for, beside its file.
pub(super) fn query(options: &Options) -> String {
    let mut query = format!("format=csv&lookupField={}", escaped(&options.key));
    if let Some(list) = options.list {
        query.push_str(&format!("&listId={list}"));
    }
    if let Some(partition) = &options.partition {
        query.push_str(&format!("&partitionName={}", escaped(partition)));
    }
    query
}

impl File {
    /// The body of its import, and the type of that.
    ///
    /// # Errors
    /// [`Kind::Internal`] where it cannot be a header.
    pub(super) fn multipart(&self) -> Result<(Vec<u8>, HeaderValue), ConnectorError> {
        let boundary = self.boundary();
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"leads.csv\"\r\nContent-Type: text/csv\r\n\r\n"
        );
        let mut body = Vec::with_capacity(self.text.len() + head.len() + 100);
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&self.text);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        let media = HeaderValue::try_from(format!("multipart/form-data; boundary={boundary}"));
        let media = media.map_err(|error| {
            ConnectorError::new(Kind::Internal, "the boundary of an import cannot be a header").source(error)
        })?;
        Ok((body, media))
    }

    /// A word that the file does not have.
    fn boundary(&self) -> String {
        let mut number = getrandom::u64().unwrap_or_default();
        loop {
            let boundary = format!("outflow-{number:016x}");
            if !self.text.windows(boundary.len()).any(|part| part == boundary.as_bytes()) {
                return boundary;
            }
            number = number.wrapping_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Change, FieldValue, Value, Verb};

    fn change(email: &str, fields: &[(&str, Value)]) -> Change {
        let field = |name: &str, value: Value| FieldValue { name: name.into(), value };
        Change {
            verb: Verb::Upsert,
            destination_key: vec![field("email", Value::Text(email.into()))],
            remote_id: None,
            fields: fields.iter().map(|(name, value)| field(name, value.clone())).collect(),
        }
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn a_file_has_the_rows_that_fill_every_column_with_the_key_first() {
        let fields = ["firstName", "email", "score"].map(str::to_owned);
        let mut sheet = Sheet::new("email", &fields);
        for (place, name, score, fits) in [
            (0, text("A \"B\", C"), Value::Integer(7), true),
            (1, Value::Null, Value::Integer(7), false),
            (2, text(" "), Value::Integer(7), false),
            (3, text("null"), Value::Integer(7), false),
            (4, text("two\nlines"), Value::Integer(7), false),
            (5, text("Zoë"), Value::Null, false),
            (6, text("Zoë"), Value::Integer(-1), true),
        ] {
            let sent = Sent { place, key: format!("p{place}@x.io") };
            let change = change(&sent.key, &[("firstName", name), ("score", score)]);
            assert_eq!(change.borrowed(|change| sheet.push(sent, change)).unwrap(), fits, "{place}");
        }
        let odd = change("zoë@x.io", &[("firstName", text("Zoë")), ("score", Value::Integer(1))]);
        let sent = Sent { place: 7, key: "zoë@x.io".to_owned() };
        assert!(odd.borrowed(|change| sheet.push(sent, change)).is_err());
        let files = sheet.files();
        let [file] = &files[..] else { panic!("{}", files.len()) };
        let expected = "email,firstName,score\np0@x.io,\"A \"\"B\"\", C\",7\np6@x.io,Zoë,-1\n";
        assert_eq!(String::from_utf8_lossy(&file.text), expected);
        assert_eq!(file.sent.iter().map(|sent| sent.place).collect::<Vec<_>>(), [0, 6]);
        let (body, media) = file.multipart().unwrap();
        let (body, media) = (String::from_utf8(body).unwrap(), media.to_str().unwrap().to_owned());
        let boundary = media.strip_prefix("multipart/form-data; boundary=").unwrap();
        assert!(
            body.starts_with(&format!("--{boundary}\r\n"))
                && body.ends_with(&format!("\r\n--{boundary}--\r\n"))
        );
        assert!(body.contains(&format!("\r\n\r\n{expected}\r\n")));
    }

    #[test]
    fn no_file_is_as_long_as_marketo_refuses() {
        let fields = ["email", "note"].map(str::to_owned);
        let mut sheet = Sheet::new("email", &fields);
        let note = "x".repeat(30_000);
        for place in 0..700 {
            let sent = Sent { place, key: format!("p{place}@x.io") };
            let change = change(&sent.key, &[("note", text(&note))]);
            assert!(change.borrowed(|change| sheet.push(sent, change)).unwrap());
        }
        let long = change("long@x.io", &[("note", text(&"x".repeat(FILE.1)))]);
        let sent = Sent { place: 700, key: "long@x.io".to_owned() };
        assert!(!long.borrowed(|change| sheet.push(sent, change)).unwrap(), "no file can have it");
        let files = sheet.files();
        assert_eq!(files.len(), 3);
        for file in &files {
            assert!(file.multipart().unwrap().0.len() < 10_000_000);
            assert!(file.text.starts_with(b"email,note\n"));
        }
        let places: Vec<usize> = files.iter().flat_map(|file| &file.sent).map(|sent| sent.place).collect();
        assert_eq!(places, (0..700).collect::<Vec<_>>(), "each row is in one of them");
    }

    #[test]
    fn an_import_says_how_leads_are_found_and_where_they_go() {
        let options = Options { list: Some(7), partition: Some("North A".to_owned()), ..Options::usual() };
        assert_eq!(query(&options), "format=csv&lookupField=email&listId=7&partitionName=North%20A");
        assert_eq!(query(&Options::usual()), "format=csv&lookupField=email");
    }
}
