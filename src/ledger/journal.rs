//! Batches about to be sent, and what became of them. A key of an open batch is dirty: nobody knows what the
//! destination has for it.

use outflow_connectors::contract::Verb;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::codec::Decoder;
use super::detail::Change;
use super::detail_log;
use super::detail_row;
use super::dirty::{self, dirty_sum};
use super::entry::{BatchId, Detail, IntentEntry, KeyHash, OpenIntent, RecordHash, Settled, Settlement};
use super::fault::{Attempt, Fault, damaged};
use super::intent::{Intent, read_entry};
use super::packed::{self, Entry};
use super::prehashed::KeySet;
use super::refusals;
use super::store::Ledger;
use super::sum::Sum;
use crate::error::{Error, ErrorKind, Result};

impl Ledger {
    /// Stores a batch before it leaves; durable on return, and every key of it dirty.
    pub fn begin(&self, intent: &Intent) -> Result<BatchId> {
        let batches = self.begin_all(vec![intent.clone()])?;
        Ok(batches.first().copied().unwrap_or(BatchId(0)))
    }

    /// As [`begin`](Self::begin) for several batches at the cost of one; all of them, or none.
    pub fn begin_all(&self, intents: Vec<Intent>) -> Result<Vec<BatchId>> {
        let rows = stored(intents)?;
        self.write_journal(move |tx, dirty| {
            // The number enters the checksum, and AUTOINCREMENT never gives one twice.
            let first: i64 = tx.query_row(
                "SELECT 1 + max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'intent'), 0),
                                coalesce((SELECT max(batch) FROM intent), 0))",
                [],
                |row| row.get(0),
            )?;
            let mut batches = Vec::with_capacity(rows.len());
            for (batch, row) in (first..).zip(&rows) {
                row.insert(tx, batch)?;
                dirty.add(row.keys.as_chunks().0.iter().map(|key| KeyHash(*key)));
                batches.push(BatchId(batch));
            }
            Ok(batches)
        })
    }

    /// Stores the remote job's id of a batch; durable on return.
    pub fn store_handle(&self, batch: BatchId, handle: &str) -> Result<()> {
        let handle = handle.to_owned();
        self.write(move |tx| {
            let Some(mut stored) = Stored::get(tx, batch.0)? else {
                let message = format!("batch {} has no open intent, so its job's id cannot be kept", batch.0);
                return Err(Error::new("OF-INT-001", ErrorKind::Internal, message).into());
            };
            stored.handle = Some(handle);
            tx.execute(
                "UPDATE intent SET handle = ?2, sum = ?3 WHERE batch = ?1",
                params![batch.0, stored.handle, stored.sum(batch.0)],
            )?;
            Ok(())
        })
    }

    /// Takes in what became of a batch, in one transaction; its intent is closed once none of its keys is dirty.
    ///
    /// May be called several times for one batch, and for keys of an earlier one.
    pub fn settle(&self, batch: BatchId, settled: &[Settled]) -> Result<()> {
        self.settle_all(vec![(batch, settled.to_vec())])
    }

    /// As [`settle`](Self::settle) for several batches, in their order, at the cost of one; all of them, or none.
    pub fn settle_all(&self, batches: Vec<(BatchId, Vec<Settled>)>) -> Result<()> {
        let changes: usize = batches.iter().map(|(_, settled)| settled.len()).sum();
        self.fold_details(|logged| logged.is_full(changes))?;
        let logged = self.logged.clone();
        self.write_journal(move |tx, dirty| {
            let mut taken = Taken::new(tx, detail_log::lock(&logged).holds_any())?;
            let mut settled = Vec::with_capacity(batches.len());
            for (batch, changes) in batches {
                settled.push((batch.0, taken.take(batch.0, changes)?));
            }
            taken.log()?;
            if !taken.details.is_empty() {
                detail_log::lock(&logged).take(tx, taken.details)?;
            }
            let (mut proven, mut torn) = (KeySet::default(), Vec::new());
            for (batch, clean) in settled {
                // As most batches are: all of it arrived.
                let is_whole = clean.without_effect.is_empty();
                if !is_whole || !dirty.close(tx, (batch, &clean.proven), &mut proven)? {
                    proven.extend(clean.proven);
                    torn.push((batch, clean.without_effect));
                }
            }
            for (batch, without_effect) in &torn {
                dirty.clean(tx, *batch, |key| proven.contains(key) || without_effect.contains(key))?;
            }
            dirty.clean_everywhere(tx, &proven)
        })
    }

    /// The runs of batches with dirty keys and without a handle.
    pub fn lost_runs(&self) -> Result<Vec<String>> {
        self.owner.look(|conn| {
            let mut query = conn.prepare_cached("SELECT DISTINCT run_id FROM intent WHERE handle IS NULL")?;
            let runs = query.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            Ok(runs)
        })
    }

    /// Batches with dirty keys, oldest first.
    pub fn open_intents(&self) -> Result<Vec<OpenIntent>> {
        self.owner.look(|conn| {
            let mut query = conn.prepare_cached(&format!("{SELECT} ORDER BY batch"))?;
            let mut rows = query.query([])?;
            let mut open = Vec::new();
            while let Some(row) = rows.next()? {
                let (batch, stored) = (row.get(0)?, Stored::read(row)?);
                open.push(stored.open(batch)?);
            }
            Ok(open)
        })
    }

    /// All entries of an open batch in its order, also those that are clean by now; none of one that is closed.
    pub fn batch_entries(&self, batch: BatchId) -> Result<Vec<IntentEntry>> {
        self.owner.look(move |conn| {
            let Some(stored) = Stored::get(conn, batch.0)? else { return Ok(Vec::new()) };
            Ok(stored.entries(batch.0)?.into_iter().map(|(entry, _)| entry).collect())
        })
    }

    /// Declares keys clean in every batch: a person or a look at the destination has decided what became of them.
    pub fn drop_dirty(&self, keys: &[KeyHash]) -> Result<()> {
        let keys: KeySet = keys.iter().copied().collect();
        self.write_journal(move |tx, dirty| dirty.clean_everywhere(tx, &keys))
    }
}

/// What several batches came to, on its way into the tables.
struct Taken<'a> {
    conn: &'a Connection,
    has_refusals: bool,
    has_details: bool,
    /// Only of keys that have one or may have had one.
    details: Vec<Change>,
    /// Of the batch whose entries wait to be logged.
    run: String,
    logged: Vec<Entry>,
}

/// The keys of a batch that are clean.
struct Clean {
    /// In every batch, by an acknowledgement; in the order of this batch.
    proven: Vec<KeyHash>,
    /// In this batch only.
    without_effect: KeySet,
}

impl<'a> Taken<'a> {
    /// `is_pending`: some details wait in their log.
    fn new(conn: &'a Connection, is_pending: bool) -> Attempt<Self> {
        Ok(Taken {
            conn,
            has_refusals: refusals::any(conn)?,
            has_details: is_pending || detail_row::any(conn)?,
            details: Vec::new(),
            run: String::new(),
            logged: Vec::new(),
        })
    }

    fn take(&mut self, batch: i64, settled: Vec<Settled>) -> Attempt<Clean> {
        let run: Option<String> = self
            .conn
            .prepare_cached("SELECT run_id FROM intent WHERE batch = ?1")?
            .query_row([batch], |row| row.get(0))
            .optional()?;
        let run = run.unwrap_or_default();
        if run != self.run {
            self.log()?;
            self.run = run;
        }
        self.logged.reserve(settled.len());
        let mut proven = Vec::with_capacity(settled.len());
        let mut without_effect = KeySet::default();
        for Settled { key, result } in settled {
            match result {
                Settlement::Refused(refusal) => {
                    refusals::put(self.conn, &refusal)?;
                    self.has_refusals = true;
                    without_effect.insert(key);
                }
                Settlement::Untouched => {
                    without_effect.insert(key);
                }
                Settlement::Unknown => {}
                result => {
                    let (record, detail) = acknowledged(result);
                    self.logged.push(Entry { key, record });
                    self.has_details |= detail.is_some();
                    if self.has_details {
                        self.details.push((key, detail));
                    }
                    if self.has_refusals {
                        refusals::forget(self.conn, &key)?;
                    }
                    proven.push(key);
                }
            }
        }
        Ok(Clean { proven, without_effect })
    }

    fn log(&mut self) -> Attempt<()> {
        packed::append(self.conn, &self.run, &self.logged)?;
        self.logged.clear();
        Ok(())
    }
}

/// What an acknowledgement logs, and the detail it leaves.
fn acknowledged(result: Settlement) -> (RecordHash, Option<Box<Detail>>) {
    let (record, mut detail, gone) = match result {
        Settlement::Delivered { record, detail } => (record, detail, false),
        Settlement::Gone { detail } => (RecordHash::REMOVED, Some(detail), true),
        _ => (RecordHash::REMOVED, None, false),
    };
    if let Some(detail) = &mut detail {
        detail.gone = gone;
    }
    (record, detail)
}

const SELECT: &str = "SELECT batch, run_id, verb, handle, n, keys, dirty, dirty_sum, data, sum FROM intent";

/// A row of `intent` as it is stored.
struct Stored {
    run_id: String,
    verb: String,
    handle: Option<String>,
    keys: Vec<u8>,
    dirty: Vec<u8>,
    /// zstd over each entry's record, key text, destination hash, destination key and remote id.
    data: Vec<u8>,
}

impl Stored {
    fn get(conn: &Connection, batch: i64) -> Attempt<Option<Stored>> {
        let mut query = conn.prepare_cached(&format!("{SELECT} WHERE batch = ?1"))?;
        let mut rows = query.query([batch])?;
        rows.next()?.map(Stored::read).transpose()
    }

    fn read(row: &Row<'_>) -> Attempt<Stored> {
        let stored = Stored {
            run_id: row.get(1)?,
            verb: row.get(2)?,
            handle: row.get(3)?,
            keys: row.get(5)?,
            dirty: row.get(6)?,
            data: row.get(8)?,
        };
        let batch = row.get(0)?;
        dirty::check(batch, &stored.keys, &stored.dirty, row.get(7)?)?;
        if row.get::<_, i64>(4)? != stored.dirty.len() as i64 || row.get::<_, i64>(9)? != stored.sum(batch) {
            return damaged(format!("batch {batch} has a wrong checksum"));
        }
        Ok(stored)
    }

    fn insert(&self, conn: &Connection, batch: i64) -> Attempt<()> {
        conn.prepare_cached(
            "INSERT INTO intent (batch, run_id, verb, handle, n, keys, dirty, dirty_sum, data, sum)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            batch,
            self.run_id,
            self.verb,
            self.handle,
            self.dirty.len() as i64,
            self.keys,
            self.dirty,
            dirty_sum(batch, &self.keys, &self.dirty),
            self.data,
            self.sum(batch)
        ])?;
        Ok(())
    }

    fn sum(&self, batch: i64) -> i64 {
        Sum::new()
            .int(batch)
            .text(&self.run_id)
            .text(&self.verb)
            .maybe_text(self.handle.as_deref())
            .bytes(&self.data)
            .finish()
    }

    /// Each entry, and whether its key is still dirty.
    fn entries(&self, batch: i64) -> Attempt<Vec<(IntentEntry, bool)>> {
        let Ok(data) = zstd::decode_all(&self.data[..]) else {
            return damaged(format!("batch {batch} cannot be decompressed"));
        };
        let mut from = Decoder(&data);
        let mut entries = Vec::with_capacity(self.dirty.len());
        for (key, &dirty) in self.keys.as_chunks().0.iter().zip(&self.dirty) {
            entries.push((read_entry(*key, &mut from)?, dirty == 1));
        }
        Ok(entries)
    }

    fn open(&self, batch: i64) -> Attempt<OpenIntent> {
        let entries = self.entries(batch)?.into_iter();
        let entries = entries.filter_map(|(entry, is_dirty)| is_dirty.then_some(entry)).collect();
        let (run_id, handle) = (self.run_id.clone(), self.handle.clone());
        Ok(OpenIntent { batch: BatchId(batch), run_id, verb: verb(&self.verb)?, handle, entries })
    }
}

/// Half the work of level 1 for a twentieth more bytes, most of which are hashes: an intent is soon gone again.
const LEVEL: i32 = -1;

/// Intents as they are stored.
fn stored(intents: Vec<Intent>) -> Result<Vec<Stored>> {
    let failed = |error: std::io::Error| {
        Error::new("OF-INT-001", ErrorKind::Internal, format!("a batch could not be compressed: {error}"))
    };
    let mut zstd = zstd::bulk::Compressor::new(LEVEL).map_err(failed)?;
    let each = |Intent { run_id, verb, keys, data }: Intent| {
        let dirty = vec![1; keys.len() / 16];
        let data = zstd.compress(&data.0).map_err(failed)?;
        Ok(Stored { run_id, verb: verb.to_string(), handle: None, keys, dirty, data })
    };
    intents.into_iter().map(each).collect()
}

/// The verb of its name.
pub(super) fn verb(name: &str) -> Attempt<Verb> {
    Verb::ALL
        .into_iter()
        .find(|verb| verb.to_string() == name)
        .ok_or_else(|| Fault::Damaged(format!("`{name}` is not a verb")))
}
