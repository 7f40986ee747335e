//! A batch as parts, staged.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::counted::Pending;
use super::form::{Form, Text};
use super::layout::{Column, Format, Layout};
use super::name::Run;
use super::parquet;
use super::partition::Partitions;
use super::place::{Place, Ticket, Token, Upload};
use crate::contract::{BatchSource, ConnectorError, Kind, Outcome};
use crate::files::errors;
use crate::split::Fit;

/// Partitions of a batch whose parts of lines are written at the same time; for more the batch is read again.
const LINES_OPEN: usize = 64;

/// Written parts of a batch that are handed over together, where they are so many or so large; what they come by is stored
/// in the ledger once for all of them.
const GROUP: usize = 16;
const GROUP_BYTES: u64 = 8 << 20;

/// Parts of a batch that are made durable while the next is written.
const MOST_ENDED: usize = 4;

/// Parts of a batch on their way to another machine while the next is written.
const MOST_SENT: usize = 4;

/// Refusals of a batch that are kept in their own words.
const MOST_TOLD: usize = 1_000;

/// A file that is staged, or was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::files) struct Part {
    /// What it waits under; a manifest does not have it.
    #[serde(default)]
    pub staged: Token,
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
    pub columns: &'a [Column],
    pub run: &'a Run,
    pub place: &'a dyn Place,
    /// Stores all uploads of the batch, before anything is sent by the last of them.
    pub note: &'a dyn Fn(&[Upload]) -> Result<(), ConnectorError>,
    /// The number of the next part of the run.
    pub next: &'a AtomicU64,
}

/// Writes all changes of a batch under hidden names that begin with its own.
///
/// # Errors
/// Where something cannot be read or written, or a name is taken; nothing is left then, or it is [`Kind::Ambiguous`].
pub(in crate::files) fn stage(
    desk: Desk<'_>,
    name: &str,
    batch: &dyn BatchSource,
) -> Result<Staged, ConnectorError> {
    let Desk { layout, columns, .. } = desk;
    let partitions = Partitions::of(batch, layout.partition_by.as_deref())?;
    match layout.format {
        Format::Csv | Format::JsonLines => {
            staged(desk, Text::new(layout, columns)?, (name, LINES_OPEN), (batch, &partitions))
        }
        Format::Parquet => {
            let open = parquet::MOST_OPEN.min(partitions.len());
            staged(desk, parquet::Rows::new(layout, columns, open)?, (name, open), (batch, &partitions))
        }
    }
}

fn staged<F: Form>(
    desk: Desk<'_>,
    form: F,
    (name, most_open): (&str, usize),
    batch: (&dyn BatchSource, &Partitions),
) -> Result<Staged, ConnectorError> {
    let mut staging = Staging {
        desk,
        name,
        form,
        open: BTreeMap::new(),
        begun: 0,
        ended: VecDeque::new(),
        written: Vec::new(),
        uploads: Vec::new(),
        sent: VecDeque::new(),
        staged: Staged::default(),
    };
    let staged = staging.all(batch, most_open);
    staged.map_err(|error| staging.give_up(error))
}

struct Staging<'a, F: Form> {
    desk: Desk<'a>,
    name: &'a str,
    form: F,
    /// By the place of its partition.
    open: BTreeMap<usize, (F::Stream, Part)>,
    begun: usize,
    /// Parts that have all their records, the first ended first.
    ended: VecDeque<(Part, Pending)>,
    /// Parts that are written, and not handed over yet.
    written: Vec<Part>,
    /// Those that were asked for so far.
    uploads: Vec<Upload>,
    /// Parts on their way, the first begun first.
    sent: VecDeque<(Part, Ticket)>,
    staged: Staged,
}

impl<F: Form> Staging<'_, F> {
    fn all(
        &mut self,
        (batch, partitions): (&dyn BatchSource, &Partitions),
        most_open: usize,
    ) -> Result<Staged, ConnectorError> {
        for first in (0..partitions.len()).step_by(most_open.max(1)) {
            let now = first..first + most_open.max(1);
            let mut place = 0;
            batch.each(&mut |change| {
                let partition = partitions.place(place);
                if now.contains(&partition) {
                    let refused = match self.form.take(change) {
                        Ok(()) => self.push(partition, partitions.name(partition))?,
                        Err(refused) => Some(refused),
                    };
                    self.note(place, refused);
                }
                place += 1;
                Ok(())
            })?;
            self.end_all()?;
        }
        while self.complete()? {}
        self.hand_over()?;
        while self.receive()? {}
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

    /// Puts the record where it belongs; what belongs nowhere is refused.
    fn push(&mut self, partition: usize, value: &str) -> Result<Option<Outcome>, ConnectorError> {
        let Desk { layout, .. } = self.desk;
        if !self.form.has_room() {
            return Ok(Some(too_large(self.form.bytes(), layout.limits.bytes)));
        }
        if let Some((stream, _)) = self.open.get_mut(&partition) {
            if self.form.push(stream)? == Fit::Here {
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
        if self.form.push(&mut stream)? != Fit::Here {
            return Err(ConnectorError::new(Kind::Internal, "a part had no room for its first record"));
        }
        self.open.insert(partition, (stream, part));
        Ok(None)
    }

    fn begin(&mut self, name: String, partition: Option<&str>) -> Result<(F::Stream, Part), ConnectorError> {
        self.begun += 1;
        let staged = format!("{}-{}.part", self.name, self.begun);
        let stream = self.form.begin(self.desk.place.local(&staged))?;
        let (staged, partition) = (Token::Hidden(staged), partition.map(str::to_owned));
        Ok((stream, Part { staged, name, rows: 0, bytes: 0, sha256: String::new(), partition }))
    }

    fn end(&mut self, partition: usize) -> Result<(), ConnectorError> {
        let Some((stream, part)) = self.open.remove(&partition) else { return Ok(()) };
        self.ended.push_back((part, self.form.end(stream)?));
        if self.ended.len() > MOST_ENDED {
            self.complete()?;
        }
        Ok(())
    }

    /// Waits until the part that was ended first is durable; `false` where there is none.
    fn complete(&mut self) -> Result<bool, ConnectorError> {
        let Some((mut part, pending)) = self.ended.pop_front() else { return Ok(false) };
        let written = pending.wait()?;
        if written.bytes > self.desk.layout.limits.bytes {
            let message =
                format!("`{}` came to {} bytes, more than it was to have", part.name, written.bytes);
            return Err(ConnectorError::new(Kind::Internal, message));
        }
        (part.rows, part.bytes, part.sha256) = (written.rows, written.bytes, written.sha256);
        self.written.push(part);
        let bytes = self.written.iter().map(|part| part.bytes).sum::<u64>();
        if self.written.len() >= GROUP || bytes >= GROUP_BYTES {
            self.hand_over()?;
        }
        Ok(true)
    }

    /// Begins to stage what is written.
    fn hand_over(&mut self) -> Result<(), ConnectorError> {
        let Desk { place, note, .. } = self.desk;
        let written = std::mem::take(&mut self.written);
        let uploads = place.begin(&written)?;
        let first = self.uploads.len();
        if !uploads.is_empty() {
            self.uploads.extend(uploads);
            note(&self.uploads)?;
        }
        for (at, part) in written.into_iter().enumerate() {
            if self.sent.len() >= MOST_SENT {
                self.receive()?;
            }
            let ticket = place.stage(&part, self.uploads.get(first + at))?;
            self.sent.push_back((part, ticket));
        }
        Ok(())
    }

    /// Waits for the part that is on its way the longest; `false` where there is none.
    fn receive(&mut self) -> Result<bool, ConnectorError> {
        let Some((mut part, ticket)) = self.sent.pop_front() else { return Ok(false) };
        part.staged = ticket.end()?;
        self.staged.parts.push(part);
        Ok(true)
    }

    /// Removes all of the batch. Where it cannot, nobody knows what is there, and the next run looks.
    fn give_up(&mut self, mut error: ConnectorError) -> ConnectorError {
        self.open.clear();
        self.ended.clear();
        self.sent.drain(..).for_each(|(_, ticket)| ticket.give_up());
        if self.desk.place.discard(self.name, &self.uploads).is_err() {
            error.kind = Kind::Ambiguous;
        }
        error
    }

    fn end_all(&mut self) -> Result<(), ConnectorError> {
        let open: Vec<usize> = self.open.keys().copied().collect();
        open.into_iter().try_for_each(|partition| self.end(partition))
    }
}

fn unnamed(layout: &Layout, message: String) -> Outcome {
    Outcome::Rejected { code: errors::OBJECT.to_owned(), field: layout.partition_by.clone(), message }
}

fn too_large(record: u64, limit: u64) -> Outcome {
    Outcome::Rejected {
        code: errors::TOO_LARGE.to_owned(),
        field: None,
        message: format!(
            "the record takes {record} bytes, and a file may have {limit} with its header or footer"
        ),
    }
}
