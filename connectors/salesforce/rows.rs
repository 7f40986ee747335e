//! A job's data, made while it is uploaded: of the rows nothing but a piece is in memory, and of each its key.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::part::Part;
use super::results::Keys;
use super::sheet::{Aside, Sheet, too_large};
use crate::contract::{BatchSource, ConnectorError, Kind};
use crate::http::Pieces;
use crate::split::{Fit, Limits, Splitter};

/// Bytes of a piece, about.
const PIECE: usize = 256 * 1024;

/// Rows that are read for a piece at most.
const MOST: usize = 1_000;

/// The rows of a batch that one job can have.
pub(super) struct Rows<'a> {
    part: Part<'a>,
    places: &'a [usize],
    sheet: &'a Sheet,
    header: Vec<u8>,
    /// By place in the batch: ids of the records that each change is for, where it goes by id.
    ids: &'a [Vec<String>],
    most_bytes: u64,
    made: Mutex<Made>,
}

/// What came of the rows in the last upload.
#[derive(Debug)]
pub(super) struct Made {
    /// Rows of the upload.
    pub(super) keys: Keys,
    /// Those that are not in it, by place in the batch.
    pub(super) aside: Vec<(usize, Aside)>,
    size: Splitter,
    is_full: bool,
}

impl Made {
    /// Of no row yet.
    fn new(header: &[u8], most_bytes: u64) -> Self {
        let size = Splitter::new(Limits { bytes: most_bytes, ..Limits::NONE }, header.len() as u64);
        Made { keys: Keys::default(), aside: Vec::new(), size, is_full: false }
    }

    /// Takes the row at this place of the batch, which has so many bytes, or says where it goes.
    fn take(&mut self, bytes: u64, key: &[u8], place: usize) -> Result<(), Aside> {
        match self.size.fit(bytes) {
            Fit::Never => Err(Aside::Never(too_large(bytes))),
            Fit::Next => {
                self.is_full = true;
                Err(Aside::Elsewhere)
            }
            // Of two rows that the results cannot tell apart, one goes by another job.
            Fit::Here if !self.keys.add(key, place) => Err(Aside::Elsewhere),
            Fit::Here => {
                self.size.take(bytes);
                Ok(())
            }
        }
    }
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
        most_bytes: u64,
    ) -> Self {
        let header = sheet.header();
        let made = Mutex::new(Made::new(&header, most_bytes));
        Rows { part: Part::new(batch, places), places, sheet, header, ids, most_bytes, made }
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
            let taken = match made.is_full {
                true => Err(Aside::Elsewhere),
                false => self
                    .sheet
                    .row(change, id.map(String::as_str), (&mut *out, &mut key))
                    .and_then(|()| made.take((out.len() - start) as u64, &key, place)),
            };
            if let Err(aside) = taken {
                out.truncate(start);
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
            *self.made() = Made::new(&self.header, self.most_bytes);
            out.extend_from_slice(&self.header);
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
    use super::super::sheet::{Plan, TOO_LONG};
    use super::*;
    use crate::contract::{Change, FieldValue, Outcome, Value, Verb};

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
        let rows = Rows::new(&batch, &places, &sheet, &[], u64::MAX);
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
        // `F__c,E__c`, ten rows with keys of one digit, and each with the end of its line.
        let whole = 10 + 10 * 1_004;
        for (most_bytes, rows_of_job) in [(whole, 10), (whole - 1, 9)] {
            let rows = Rows::new(&batch, &places, &sheet, &[], most_bytes);
            let (text, _) = upload(&rows);
            assert_eq!((text.len(), text.lines().count()), (10 + rows_of_job * 1_004, rows_of_job + 1));
            let made = rows.into_made();
            assert_eq!((made.keys.len(), made.aside.len()), (rows_of_job, 100 - rows_of_job));
            assert!(made.aside.iter().all(|(_, aside)| *aside == Aside::Elsewhere));
        }
    }

    #[test]
    fn a_row_that_no_job_has_room_for_is_refused_and_the_others_go_on() {
        let mut batch = batch(3, 10);
        batch[1].fields[0].value = Value::Text("x".repeat(1_000));
        let sheet = sheet(&batch);
        let rows = Rows::new(&batch, &[0, 1, 2], &sheet, &[], 500);
        assert_eq!(upload(&rows).0, "F__c,E__c\nxxxxxxxxxx,k0\nxxxxxxxxxx,k2\n");
        let made = rows.into_made();
        assert_eq!(made.keys.len(), 2);
        let [(1, Aside::Never(Outcome::Rejected { code, message, .. }))] = &made.aside[..] else {
            panic!("{:?}", made.aside)
        };
        assert!(code == TOO_LONG && message.contains("1004 bytes"), "{message}");
    }

    #[test]
    fn of_two_rows_with_one_key_one_goes_elsewhere() {
        let mut batch = batch(3, 1);
        batch[2] = batch[0].clone();
        let sheet = sheet(&batch);
        let rows = Rows::new(&batch, &[0, 1, 2], &sheet, &[], u64::MAX);
        assert_eq!(upload(&rows).0.lines().count(), 3);
        assert_eq!(rows.into_made().aside, [(2, Aside::Elsewhere)]);
    }
}
