//! A format: what a change becomes, and how that is put into parts.

use std::path::PathBuf;

use super::counted::Pending;
use super::layout::{Column, Layout};
use super::record::Lines;
use super::stream::{Stream, bound};
use crate::contract::{ChangeRef, ConnectorError, Kind, Outcome};
use crate::files::errors;
use crate::split::Fit;

/// A format of files. It holds the record of one change at a time.
pub(super) trait Form {
    /// A part under way.
    type Stream;

    /// Holds the record of this change from now on.
    ///
    /// # Errors
    /// The change's refusal where the file cannot say it; no record is held then.
    fn take(&mut self, change: ChangeRef<'_>) -> Result<(), Outcome>;

    /// Most bytes that the record takes before compression.
    fn bytes(&self) -> u64;

    /// Whether a part with nothing else in it has room for the record.
    fn has_room(&self) -> bool;

    /// Begins a part without a record.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where it cannot be written.
    fn begin(&self, path: PathBuf) -> Result<Self::Stream, ConnectorError>;

    /// Adds the record to a part, or says where it belongs instead.
    ///
    /// # Errors
    /// As [`Self::begin`].
    fn push(&self, stream: &mut Self::Stream) -> Result<Fit, ConnectorError>;

    /// Ends a part, and has it made durable.
    ///
    /// # Errors
    /// As [`Self::begin`].
    fn end(&self, stream: Self::Stream) -> Result<Pending, ConnectorError>;
}

/// CSV, text divided by tabs, and JSON Lines.
pub(super) struct Text<'a> {
    layout: &'a Layout,
    lines: Lines<'a>,
    header: Vec<u8>,
    line: Vec<u8>,
}

impl<'a> Text<'a> {
    /// # Errors
    /// [`Kind::Config`] for names of columns that cannot be written.
    pub(super) fn new(layout: &'a Layout, columns: &'a [Column]) -> Result<Self, ConnectorError> {
        let mut lines = Lines::new(layout, columns);
        let header = lines.header().map_err(unwritable)?;
        Ok(Text { layout, lines, header, line: Vec::new() })
    }
}

impl Form for Text<'_> {
    type Stream = Stream;

    fn take(&mut self, change: ChangeRef<'_>) -> Result<(), Outcome> {
        self.lines.record(change, &mut self.line)
    }

    fn bytes(&self) -> u64 {
        self.line.len() as u64
    }

    fn has_room(&self) -> bool {
        let Layout { compression, limits, .. } = *self.layout;
        let blank = Stream::splitter(&self.header, compression, limits);
        blank.fit(bound(self.line.len(), compression)) != Fit::Never
    }

    fn begin(&self, path: PathBuf) -> Result<Stream, ConnectorError> {
        Stream::begin(path, &self.header, self.layout.compression, self.layout.limits)
    }

    fn push(&self, stream: &mut Stream) -> Result<Fit, ConnectorError> {
        stream.push(&self.line)
    }

    fn end(&self, stream: Stream) -> Result<Pending, ConnectorError> {
        stream.end()
    }
}

fn unwritable(refused: Outcome) -> ConnectorError {
    let (option, why) = match refused {
        Outcome::Rejected { code, field, message } => {
            let option = match code.as_str() {
                errors::ENCODING => "encoding",
                errors::UNQUOTED => "quoting",
                _ => "null_text",
            };
            let column = field.map_or_else(String::new, |field| format!("column `{field}`: "));
            (option, format!("{column}{message}"))
        }
        _ => ("format", "they cannot be written".to_owned()),
    };
    let hint = format!("give the fields other names, or choose another `{option}` in `destination`");
    ConnectorError::new(Kind::Config, format!("the names of the columns: {why}"))
        .hint(hint)
        .with("option", option)
}
