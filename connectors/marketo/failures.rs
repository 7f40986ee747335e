//! An import's files of failures and of warnings: the lines that are meant, as they were sent, with one more cell that says why
//! (`bulk-lead-import.md`). The name of that column, `Import Failure Reason`, stands on no page of the vendor, so it is not relied on.
//!
//! Cells that are empty may be missing of such a line (seen by others, <https://blog.teknkl.com>), so that the cells behind them do
//! not stand under their names. The key is the first column of our files, and never empty: it is found all the same.

use std::collections::{HashMap, HashSet};

use super::errors;
use crate::contract::{ConnectorError, Kind, Retry, fold};
use crate::http::{Sink, shortened};

/// A file is no longer than the import with a reason behind each line.
const LONGEST: usize = 48 << 20;

/// What a file says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reasons {
    /// By the place of a row in its import.
    pub(super) named: HashMap<usize, String>,
    /// Lines of which nobody can say whose they are.
    pub(super) strangers: usize,
}

impl Reasons {
    /// Of an import whose rows have these match keys, which stood under this name.
    pub(super) fn read(file: &[u8], key: &str, keys: &[&str]) -> Self {
        let mut rows: HashMap<String, usize> = HashMap::with_capacity(keys.len());
        let mut twice = HashSet::new();
        for (row, text) in keys.iter().enumerate() {
            if rows.insert(fold(text), row).is_some() {
                twice.insert(fold(text));
            }
        }
        rows.retain(|text, _| !twice.contains(text));
        let mut reasons = Reasons::default();
        let text = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text);
        let Some(column) = reader.byte_headers().ok().and_then(|header| column(header, key)) else {
            reasons.strangers = 1;
            return reasons;
        };
        for line in reader.byte_records() {
            match line.ok().and_then(|line| named(&line, column, &rows)) {
                // A row that stands there twice is one row that is meant.
                Some((row, reason)) => drop(reasons.named.entry(row).or_insert(reason)),
                None => reasons.strangers += 1,
            }
        }
        reasons
    }
}

/// Where the key stands, and how many columns there are.
#[derive(Debug, Clone, Copy)]
struct Column {
    at: usize,
    width: usize,
}

fn column(header: &csv::ByteRecord, key: &str) -> Option<Column> {
    let is_key = |name: &[u8]| String::from_utf8_lossy(name).trim().eq_ignore_ascii_case(key);
    let at = header.iter().position(is_key)?;
    Some(Column { at, width: header.len() })
}

/// The row that a line is about, and why.
fn named(line: &csv::ByteRecord, column: Column, rows: &HashMap<String, usize>) -> Option<(usize, String)> {
    // Behind a cell that is missing, no cell stands under its name.
    if column.at > 0 && line.len() != column.width {
        return None;
    }
    let text = |at: usize| line.get(at).map(|cell| String::from_utf8_lossy(cell).into_owned());
    let row = *rows.get(&fold(&text(column.at)?))?;
    let last = line.len().checked_sub(1).filter(|last| *last > column.at)?;
    let reason = text(last)?;
    let reason = reason.trim();
    Some((row, if reason.is_empty() { "no reason was given".to_owned() } else { shortened(reason) }))
}

/// Takes a file while it comes. What Marketo says instead of a file is JSON, and an error.
#[derive(Debug, Default)]
pub(super) struct File(Vec<u8>);

impl File {
    pub(super) fn bytes(self) -> Vec<u8> {
        self.0
    }
}

impl Sink for File {
    fn begin(&mut self) {
        self.0.clear();
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), ConnectorError> {
        if self.0.len() + bytes.len() > LONGEST {
            let message = format!("a file of an import has more than {LONGEST} bytes");
            return Err(ConnectorError::new(Kind::Unavailable, message).retry(Retry::Never));
        }
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn end(&mut self) -> Result<(), ConnectorError> {
        match self.0.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => Err(errors::of_file(&self.0)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str) -> (Vec<(usize, String)>, usize) {
        let reasons = Reasons::read(file.as_bytes(), "email", &["a@x.io", "b@x.io", "c@x.io"]);
        let mut named: Vec<(usize, String)> = reasons.named.into_iter().collect();
        named.sort();
        (named, reasons.strangers)
    }

    #[test]
    fn a_row_is_known_by_its_key_whatever_is_missing_behind_it() {
        for file in [
            "email,firstName,Import Failure Reason\nB@x.io,Bo,bad date\n",
            "\u{feff}Email,firstName,phone,Reason\r\n\"b@x.io\",\"Bo, \"\"B\"\"\",1,\"bad date\"\r\n",
            "email,firstName,phone,Import Failure Reason\nb@x.io,Bo,bad date\n",
            "email,Import Failure Reason\nb@x.io,bad date\n",
            "firstName,email,Import Failure Reason\nBo,b@x.io,bad date\n",
        ] {
            assert_eq!(read(file), (vec![(1, "bad date".to_owned())], 0), "{file}");
        }
        let two = "email,Reason\nb@x.io,x\nc@x.io,\nb@x.io,y\n";
        assert_eq!(read(two).0, [(1, "x".to_owned()), (2, "no reason was given".to_owned())]);
    }

    #[test]
    fn a_line_that_names_nobody_is_a_stranger() {
        for file in [
            "email,Reason\nz@x.io,bad\n",
            "email,Reason\nb@x.io\n",
            "firstName,Reason\nBo,bad\n",
            "firstName,email,phone,Reason\nb@x.io,1,bad\n",
            "",
            "<html>fine</html>",
        ] {
            assert_eq!(read(file), (Vec::new(), 1), "{file}");
        }
        let alike = Reasons::read(b"id7,Reason\nK1,bad\n", "id7", &["K1", "k1"]);
        assert_eq!((alike.named.len(), alike.strangers), (0, 1), "two keys that cannot be told apart");
    }

    #[test]
    fn an_error_that_comes_instead_of_a_file_is_one() {
        for (body, kind) in [
            (
                r#"{"requestId":"a","success":false,"errors":[{"code":"602","message":"Access token expired"}]}"#,
                Kind::Auth,
            ),
            (r#"{"success":false,"errors":[{"code":"606","message":"Max rate limit"}]}"#, Kind::Unavailable),
            (r#"{"success":false,"errors":[{"code":"611","message":"System error"}]}"#, Kind::Unavailable),
            (r#" {"success":true}"#, Kind::Unavailable),
        ] {
            let mut file = File::default();
            file.begin();
            file.take(body.as_bytes()).unwrap();
            assert_eq!(file.end().unwrap_err().kind, kind, "{body}");
            file.begin();
            assert!(file.take(b"email,Reason\n").is_ok() && file.end().is_ok());
            assert_eq!(file.bytes(), b"email,Reason\n");
        }
    }
}
