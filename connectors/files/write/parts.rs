//! A batch as parts, staged.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::layout::Layout;
use super::name::Run;
use super::partition::Partitions;
use super::place::Folder;
use super::record::Lines;
use super::stream::{Stream, bound};
use crate::contract::{BatchSource, ConnectorError, Kind, Outcome};
use crate::files::errors;
use crate::split::Fit;

/// Partitions of a batch whose parts are written at the same time; for more the batch is read again.
const MOST_OPEN: usize = 64;

/// Refusals of a batch that are kept in their own words.
const MOST_TOLD: usize = 1_000;

/// A file that is staged, or was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::files) struct Part {
    /// Its hidden name; a manifest does not have it.
    #[serde(default)]
    pub staged: String,
    pub name: String,
    pub rows: u64,
    pub bytes: u64,
    /// In hex.
    pub sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
}

/// A change that no part has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::files) struct Refused {
    /// Its place in the batch.
    pub place: usize,
    pub code: String,
    pub field: Option<String>,
    pub message: String,
}

/// What a batch came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::files) struct Staged {
    pub parts: Vec<Part>,
    pub refused: Vec<Refused>,
}

/// How and where a batch is staged.
#[derive(Clone, Copy)]
pub(in crate::files) struct Desk<'a> {
    pub layout: &'a Layout,
    pub columns: &'a [String],
    pub run: &'a Run,
    pub folder: &'a Folder,
    /// The number of the next part of the run.
    pub next: &'a AtomicU64,
}

/// Writes all changes of a batch under hidden names that begin with its own.
///
/// # Errors
/// Where something cannot be read or written, or a name is taken; nothing is left then.
pub(in crate::files) fn stage(
    desk: Desk<'_>,
    name: &str,
    batch: &dyn BatchSource,
) -> Result<Staged, ConnectorError> {
    let mut staging = Staging {
        desk,
        name,
        header: Vec::new(),
        open: BTreeMap::new(),
        begun: 0,
        staged: Staged::default(),
    };
    let staged = staging.all(batch);
    if staged.is_err() {
        staging.open.clear();
        desk.folder.discard(name)?;
    }
    staged
}

struct Staging<'a> {
    desk: Desk<'a>,
    name: &'a str,
    header: Vec<u8>,
    /// By the place of its partition.
    open: BTreeMap<usize, (Stream, Part)>,
    begun: usize,
    staged: Staged,
}

impl Staging<'_> {
    fn all(&mut self, batch: &dyn BatchSource) -> Result<Staged, ConnectorError> {
        let Desk { layout, columns, .. } = self.desk;
        let mut lines = Lines::new(layout, columns);
        self.header = lines.header().map_err(unwritable)?;
        let partitions = Partitions::of(batch, layout.partition_by.as_deref())?;
        let mut record = Vec::new();
        for first in (0..partitions.len()).step_by(MOST_OPEN) {
            let now = first..first + MOST_OPEN;
            let mut place = 0;
            batch.each(&mut |change| {
                let partition = partitions.place(place);
                if now.contains(&partition) {
                    let refused = match lines.record(change, &mut record) {
                        Ok(()) => self.push((partition, partitions.name(partition)), &record)?,
                        Err(refused) => Some(refused),
                    };
                    self.note(place, refused);
                }
                place += 1;
                Ok(())
            })?;
            self.end_all()?;
        }
        Ok(std::mem::take(&mut self.staged))
    }

    /// Keeps why a change is in no part; of very many not in words of its own, for the ledger has all of them in one text.
    fn note(&mut self, place: usize, refused: Option<Outcome>) {
        let Some(Outcome::Rejected { code, field, message }) = refused else { return };
        let message = match self.staged.refused.len() {
            0..MOST_TOLD => message,
            _ => "as other rows of its batch".to_owned(),
        };
        self.staged.refused.push(Refused { place, code, field, message });
    }

    /// Puts a record where it belongs; what belongs nowhere is refused.
    fn push(
        &mut self,
        (partition, value): (usize, &str),
        record: &[u8],
    ) -> Result<Option<Outcome>, ConnectorError> {
        let Desk { layout, .. } = self.desk;
        let blank = Stream::splitter(&self.header, layout.compression, layout.limits);
        if blank.fit(bound(record.len(), layout.compression)) == Fit::Never {
            return Ok(Some(too_large(record.len(), layout.limits.bytes)));
        }
        if let Some((stream, _)) = self.open.get_mut(&partition) {
            if stream.push(record)? == Fit::Here {
                return Ok(None);
            }
            self.end(partition)?;
        }
        let number = self.desk.next.fetch_add(1, Ordering::Relaxed);
        let shown = layout.partition_by.as_deref().map(|_| value);
        let name = match layout.name.render(self.desk.run, Some((number, shown))) {
            Ok(name) => name,
            // Of a value that is no part of a name.
            Err(error) if shown.is_some() => return Ok(Some(unnamed(layout, error.message))),
            Err(error) => return Err(error),
        };
        let (mut stream, part) = self.begin(name, shown)?;
        if stream.push(record)? != Fit::Here {
            return Err(ConnectorError::new(Kind::Internal, "a part had no room for its first record"));
        }
        self.open.insert(partition, (stream, part));
        Ok(None)
    }

    fn begin(&mut self, name: String, partition: Option<&str>) -> Result<(Stream, Part), ConnectorError> {
        let Desk { layout, folder, .. } = self.desk;
        folder.must_lack(&name)?;
        self.begun += 1;
        let staged = format!("{}-{}.part", self.name, self.begun);
        let stream = Stream::begin(folder.at(&staged), &self.header, layout.compression, layout.limits)?;
        let partition = partition.map(str::to_owned);
        Ok((stream, Part { staged, name, rows: 0, bytes: 0, sha256: String::new(), partition }))
    }

    fn end(&mut self, partition: usize) -> Result<(), ConnectorError> {
        let Some((stream, mut part)) = self.open.remove(&partition) else { return Ok(()) };
        let written = stream.end()?;
        if written.bytes > self.desk.layout.limits.bytes {
            let message =
                format!("`{}` came to {} bytes, more than it was to have", part.name, written.bytes);
            return Err(ConnectorError::new(Kind::Internal, message));
        }
        (part.rows, part.bytes, part.sha256) = (written.rows, written.bytes, written.sha256);
        self.staged.parts.push(part);
        Ok(())
    }

    fn end_all(&mut self) -> Result<(), ConnectorError> {
        let open: Vec<usize> = self.open.keys().copied().collect();
        open.into_iter().try_for_each(|partition| self.end(partition))
    }
}

fn unnamed(layout: &Layout, message: String) -> Outcome {
    Outcome::Rejected { code: errors::OBJECT.to_owned(), field: layout.partition_by.clone(), message }
}

fn too_large(record: usize, limit: u64) -> Outcome {
    Outcome::Rejected {
        code: errors::TOO_LARGE.to_owned(),
        field: None,
        message: format!("the record takes {record} bytes, and a file may have {limit} with its header"),
    }
}

fn unwritable(refused: Outcome) -> ConnectorError {
    let why = match refused {
        Outcome::Rejected { field: Some(field), message, .. } => format!("column `{field}`: {message}"),
        Outcome::Rejected { message, .. } => message,
        _ => "it cannot be written".to_owned(),
    };
    ConnectorError::new(Kind::Config, format!("the header of the files: {why}"))
        .hint("give the fields other names, or choose another `encoding` or `quoting` in `destination`")
}
