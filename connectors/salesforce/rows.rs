//! A job's data, made while it is uploaded: of the rows nothing but a piece is in memory, and of each its key.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::part::Part;
use super::results::Keys;
use super::sheet::{Aside, Sheet};
use crate::contract::{BatchSource, ConnectorError, Kind};
use crate::http::Pieces;

/// Bytes of a piece, about.
const PIECE: usize = 256 * 1024;

/// Rows that are read for a piece at most.
const MOST: usize = 1_000;

/// The rows of a batch that one job can have.
pub(super) struct Rows<'a> {
    part: Part<'a>,
    places: &'a [usize],
    sheet: &'a Sheet,
    /// By place in the batch: ids of the records that each change is for, where it goes by id.
    ids: &'a [Vec<String>],
    most_bytes: usize,
    made: Mutex<Made>,
}

/// What came of the rows in the last upload.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// Rows of the upload.
    pub(super) keys: Keys,
    /// Those that are not in it, by place in the batch.
    pub(super) aside: Vec<(usize, Aside)>,
    bytes: usize,
    is_full: bool,
}

/// Ends a walk over a batch, as nothing else does.
fn enough() -> ConnectorError {
    ConnectorError::new(Kind::Internal, "the piece is full")
}

impl<'a> Rows<'a> {
    pub(super) fn new(
        batch: &'a dyn BatchSource,
        places: &'a [usize],
        sheet: &'a Sheet,
        ids: &'a [Vec<String>],
        most_bytes: usize,
    ) -> Self {
        let made = Mutex::default();
        Rows { part: Part::new(batch, places), places, sheet, ids, most_bytes, made }
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn into_made(self) -> Made {
        self.made.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends rows from a place of the part on; the place of the next.
    fn some(&self, from: usize, out: &mut Vec<u8>) -> Result<usize, ConnectorError> {
        let mut made = self.made();
        let (mut at, mut key) = (from, Vec::new());
        let walked = self.part.each_in(from..self.places.len().min(from + MOST), &mut |change| {
            if out.len() >= PIECE {
                return Err(enough());
            }
            let place = self.places[at];
            let (start, id) = (out.len(), self.ids.get(place).and_then(|ids| ids.first()));
            key.clear();
            let mut written = if made.is_full {
                Err(Aside::Elsewhere)
            } else {
                self.sheet.row(change, id.map(String::as_str), (out, &mut key))
            };
            if written.is_ok() {
                let bytes = out.len() - start;
                made.is_full = made.bytes + bytes > self.most_bytes && made.keys.len() > 0;
                // Of two rows that the results cannot tell apart, one goes by another job.
                if made.is_full || !made.keys.add(&key, place) {
                    out.truncate(start);
                    written = Err(Aside::Elsewhere);
                } else {
                    made.bytes += bytes;
                }
            }
            if let Err(aside) = written {
                made.aside.push((place, aside));
            }
            at += 1;
            Ok(())
        });
        match walked {
            Err(error) if out.len() < PIECE => Err(error),
            _ => Ok(at),
        }
    }
}

impl Pieces for Rows<'_> {
    fn piece(&self, place: usize) -> Result<Option<(Vec<u8>, usize)>, ConnectorError> {
        let (mut out, mut at) = (Vec::with_capacity(PIECE + PIECE / 8), place);
        if place == 0 {
            *self.made() = Made::default();
            out = self.sheet.header();
            self.made().bytes = out.len();
        }
        while out.len() < PIECE && at < self.places.len() {
            at = self.some(at, &mut out)?;
        }
        Ok((!out.is_empty()).then_some((out, at)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::columns::Columns;
    use super::super::sheet::Plan;
    use super::*;
    use crate::contract::{Change, FieldValue, Value, Verb};

    fn batch(rows: usize, bytes: usize) -> Vec<Change> {
        let text = |text: String| Value::Text(text);
        let change = |row: usize| {
            let key = FieldValue { name: "E__c".into(), value: text(format!("k{row}")) };
            let filler = FieldValue { name: "F__c".into(), value: text("x".repeat(bytes)) };
            Change {
                verb: Verb::Upsert,
                destination_key: vec![key.clone()],
                remote_id: None,
                fields: vec![filler, key],
            }
        };
        (0..rows).map(change).collect()
    }

    fn upload(rows: &Rows<'_>) -> (String, usize) {
        let (mut text, mut at, mut pieces) = (Vec::new(), 0, 0);
        while let Some((bytes, next)) = rows.piece(at).unwrap() {
            assert!(bytes.len() < 2 * PIECE, "{}", bytes.len());
            text.extend(bytes);
            (at, pieces) = (next, pieces + 1);
        }
        (String::from_utf8(text).unwrap(), pieces)
    }

    fn sheet(batch: &[Change]) -> Sheet {
        let (fields, columns) = (["F__c", "E__c"].map(str::to_owned), Columns::default());
        let plan = Plan { verb: Verb::Upsert, fields: &fields, columns: &columns, key: "E__c" };
        batch[0].borrowed(|change| Sheet::of(&plan, change))
    }

    #[test]
    fn an_upload_is_made_in_pieces_and_again_from_its_beginning() {
        let batch = batch(5_000, 200);
        let places: Vec<usize> = (0..batch.len()).filter(|place| place % 7 != 0).collect();
        let sheet = sheet(&batch);
        let rows = Rows::new(&batch, &places, &sheet, &[], usize::MAX);
        let (text, pieces) = upload(&rows);
        assert!(pieces > 3, "{pieces}");
        assert_eq!(upload(&rows).0, text, "what was made before does not count");
        assert_eq!(text.lines().count(), places.len() + 1);
        let made = rows.into_made();
        assert_eq!((made.keys.len(), made.aside.len()), (places.len(), 0));
    }

    #[test]
    fn a_job_ends_before_the_row_that_is_too_much() {
        let batch = batch(100, 1_000);
        let places: Vec<usize> = (0..100).collect();
        let sheet = sheet(&batch);
        let rows = Rows::new(&batch, &places, &sheet, &[], 10_200);
        let (text, _) = upload(&rows);
        assert!(text.len() <= 10_200 && text.ends_with("k9\n"), "{}", text.len());
        let made = rows.into_made();
        assert_eq!((made.keys.len(), made.aside.len()), (10, 90));
        assert!(made.aside.iter().all(|(_, aside)| *aside == Aside::Elsewhere));
        let alone = Rows::new(&batch, &places, &sheet, &[], 10);
        assert_eq!(upload(&alone).0.lines().count(), 2, "a row that is too much by itself goes alone");
    }

    #[test]
    fn of_two_rows_with_one_key_one_goes_elsewhere() {
        let mut batch = batch(3, 1);
        batch[2] = batch[0].clone();
        let sheet = sheet(&batch);
        let rows = Rows::new(&batch, &[0, 1, 2], &sheet, &[], usize::MAX);
        assert_eq!(upload(&rows).0.lines().count(), 3);
        assert_eq!(rows.into_made().aside, [(2, Aside::Elsewhere)]);
    }
}
