//! The values of the cursor column, as the rows go by.

use std::collections::HashSet;

use outflow_connectors::contract::{Cell, RowBatch, Schema};

use super::point::{Kind, Point, Value, point};
use super::{Mark, NOTE, Pass, Stand};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{KeyHash, Ledger, Refusal};
use crate::project::{Cursor, Sync};
use crate::sync::bookkeeping::query_hash;
use crate::sync::diff::{Class, Compared, Delta, Verdict};
use crate::sync::plan::{HELD, is_absent};
use crate::sync::recover;
use crate::sync::spool::{Fixed, Space, Spill, array};

/// A row that is to be sent, and its value.
#[derive(Clone, Copy)]
struct Seen {
    key: KeyHash,
    point: Point,
}

impl Fixed for Seen {
    const WIDTH: usize = 32;

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key.0);
        out.extend_from_slice(&self.point.0.to_be_bytes());
    }

    fn read(bytes: &[u8]) -> Self {
        Seen { key: KeyHash(array(bytes, 0)), point: Point(u128::from_be_bytes(array(bytes, 16))) }
    }
}

/// How far the rows of one extract go, and which of them are not as acknowledged.
pub struct Track {
    column: usize,
    kind: Option<Kind>,
    last: Option<Point>,
    /// The last value, where it is a text: a point holds its beginning only.
    last_text: String,
    /// The first of the invalid rows.
    invalid: Option<Point>,
    changed: Spill<Seen>,
}

impl Track {
    /// # Errors
    /// Where the query has no such column.
    pub fn new(cursor: &Cursor, schema: &Schema, space: &Space) -> Result<Self> {
        let column = schema.position(&cursor.column).ok_or_else(|| {
            let message = format!("the query has no column `{}`", cursor.column);
            let names: Vec<&str> = schema.columns.iter().map(|column| &*column.name).collect();
            Error::new("OF-MAP-001", ErrorKind::Config, message)
                .at(cursor.location.clone())
                .hint(format!("it has {}", names.join(", ")))
        })?;
        if schema.columns[column].declared.eq_ignore_ascii_case("uuid") {
            return Err(refused(cursor, "a `uuid`"));
        }
        let changed = Spill::new(space.clone());
        Ok(Track { column, kind: None, last: None, last_text: String::new(), invalid: None, changed })
    }

    /// The column's position.
    pub fn column(&self) -> usize {
        self.column
    }

    /// Takes note of a batch.
    ///
    /// # Errors
    /// For a value that has no order, or another one than those before; when the spool cannot be written.
    pub fn observe(&mut self, batch: &RowBatch, compared: &Compared, cursor: &Cursor) -> Result<()> {
        for (row, verdict) in batch.rows().zip(&compared.verdicts) {
            let cell = row.cell(self.column);
            let placed = point(cell).map_err(|why| refused(cursor, why))?;
            let Some((kind, point)) = placed else { continue };
            if *self.kind.get_or_insert(kind) != kind {
                return Err(refused(cursor, "of another type than those before it"));
            }
            if self.last.is_none_or(|last| point >= last) {
                if let Cell::Text(text) = cell
                    && (self.last.is_none_or(|last| point > last) || *text > *self.last_text)
                {
                    self.last_text = text.to_owned();
                }
                self.last = Some(point);
            }
            match verdict {
                Verdict::Known { .. } => {}
                Verdict::Difference(difference) => {
                    self.changed.push(&Seen { key: difference.hashes.key, point })?
                }
                Verdict::Invalid(_) => {
                    self.invalid = Some(self.invalid.map_or(point, |first| first.min(point)))
                }
            }
        }
        Ok(())
    }

    /// Moves the mark, after a run all of whose changes had an answer. What is said: that it waits for rows.
    ///
    /// # Errors
    /// When the ledger, or what was spilled, cannot be read or written.
    pub fn settle(
        &self,
        sync: &Sync,
        (pass, stand): (&Pass, &Stand),
        (ledger, delta): (&Ledger, &Delta),
    ) -> Result<Option<String>> {
        let Some(cursor) = &sync.source.cursor else { return Ok(None) };
        let undelivered = [self.invalid, self.undelivered(ledger, delta)?].into_iter().flatten().min();
        let before = match pass {
            Pass::Since(mark) => Some(mark),
            Pass::Full => None,
        };
        let value = match (self.kind, undelivered, self.last) {
            (Some(kind), Some(first), _) => Some(Value::at(kind, first)),
            (Some(Kind::Text), None, _) => Some(Value { kind: Kind::Text, text: self.last_text.clone() }),
            (Some(kind), None, Some(last)) => Some(Value::at(kind, last)),
            _ => None,
        };
        // Rows from the mark on are read again and again; no later one is known if none came.
        let Some(value) = value.or_else(|| before.map(|mark| mark.value.clone())) else {
            return super::forget(ledger).map(|()| None);
        };
        let (value, ahead) = match value.not_after(stand.begun) {
            Some(now) => (
                now,
                Some(format!(
                    "a row has the time {value} in `{}`, which has not come yet; the cursor stays before it",
                    cursor.column
                )),
            ),
            None => (value, None),
        };
        let waits = undelivered.map(|_| {
            format!(
                "the cursor stays at {value} until the row there is delivered, which is refused or invalid"
            )
        });
        let mark = Mark {
            column: cursor.column.clone(),
            query: query_hash(sync),
            mapping: stand.mapping.clone(),
            origin: stand.origin.clone(),
            value,
            full_at: before.map_or(stand.begun, |mark| mark.full_at),
        };
        if before.is_none_or(|before| **before != mark) {
            let text = serde_json::to_string(&mark).unwrap_or_default();
            ledger.set_note(NOTE, Some(&text))?;
        }
        Ok(waits.or(ahead))
    }

    /// The first of the rows that were read, are not as acknowledged, and are judged anew when they are read again.
    fn undelivered(&self, ledger: &Ledger, delta: &Delta) -> Result<Option<Point>> {
        let mut keys: HashSet<KeyHash> = recover::dirty(ledger)?.into_keys().collect();
        keys.extend(ledger.refusals()?.into_iter().filter(is_awaited).map(|refusal| refusal.key));
        for chunk in delta.candidates.chunks() {
            // `Dropped` are rows that share a key, which only all rows together showed.
            let invalid = chunk?.into_iter().filter(|c| matches!(c.class, Class::Invalid | Class::Dropped));
            keys.extend(invalid.map(|candidate| candidate.head.key));
        }
        let mut first = None;
        if keys.is_empty() {
            return Ok(first);
        }
        for chunk in self.changed.chunks() {
            let places = chunk?.1.into_iter().filter(|seen| keys.contains(&seen.key)).map(|seen| seen.point);
            first = places.chain(first).min();
        }
        Ok(first)
    }
}

/// Whether a refused row has to be read again for its next attempt. A parked one waits for `outflow retry`, which has all rows
/// read, or for a change of its own; but what was only held back for other rows' sake is free when those are. One whose
/// object is not there (`mode: update`) is tried again when all rows are read: else it would hold the mark for ever.
fn is_awaited(refusal: &Refusal) -> bool {
    let is_held = HELD.contains(&refusal.code.as_str());
    is_held || (!refusal.parked && !is_absent(&refusal.code))
}

fn refused(cursor: &Cursor, why: &str) -> Error {
    let message = format!("a value of the cursor column `{}` is {why}", cursor.column);
    Error::new("OF-RUN-016", ErrorKind::Source, message).at(cursor.location.clone()).hint(
        "a cursor column holds times, whole numbers, or texts that sort as times do; cast it in the query",
    )
}
