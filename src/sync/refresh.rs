//! A full refresh that outlives its run: which rows it has still to send, and how it ends.

use outflow_connectors::rehearsal::point;

use super::bookkeeping;
use super::context::Context;
use super::cursor;
use super::diff::{Delta, Restated};
use super::spool::{Space, Spill};
use crate::error::Result;
use crate::ledger::{KeyHash, Ledger, RecordHash};

/// Note of the ledger: a full refresh that is not through yet.
const FULL_REFRESH: &str = "full_refresh";
/// What the note says until all rows are marked; afterwards each of them says it by itself.
const UNMARKED: &str = "unmarked";

/// Whether every row is to be sent: asked for, or asked of a run that ended before it had marked them all.
///
/// # Errors
/// When the ledger cannot be read.
pub fn is_asked(context: &Context<'_>, ledger: Option<&Ledger>) -> Result<bool> {
    let noted = ledger.map(|ledger| ledger.note(FULL_REFRESH)).transpose()?.flatten();
    Ok(context.options.full_refresh || noted.as_deref() == Some(UNMARKED))
}

/// Makes a full refresh outlive this run.
///
/// # Errors
/// When the ledger cannot be read or written.
pub fn mark_stale(ledger: &Ledger, space: &Space) -> Result<()> {
    ledger.set_note(FULL_REFRESH, Some(UNMARKED))?;
    point("refresh.begun");
    // Rows behind the mark are due as well: all are read until a run has been through them.
    cursor::forget(ledger)?;
    rehash(ledger, space, |record| (!record.is_stale()).then(|| record.stale()))?;
    ledger.set_note(FULL_REFRESH, Some("1"))
}

/// Ends a full refresh that is not through: what it has not sent again is as acknowledged before it.
///
/// # Errors
/// When the ledger cannot be read or written.
pub fn cancel(ledger: &Ledger, space: &Space) -> Result<()> {
    if ledger.note(FULL_REFRESH)?.is_none() {
        return Ok(());
    }
    // The entries that it gives back have lost their source hashes: rows are found by their fingerprints once.
    ledger.set_note(bookkeeping::SOURCE_HASHES, None)?;
    rehash(ledger, space, RecordHash::acknowledged)?;
    ledger.set_note(FULL_REFRESH, None)
}

/// Gives live entries another hash, and leaves their details alone.
fn rehash(ledger: &Ledger, space: &Space, hash: impl Fn(&RecordHash) -> Option<RecordHash>) -> Result<()> {
    let mut entries = Spill::new(space.clone());
    for entry in ledger.live_entries()? {
        let (key, record) = entry?;
        if let Some(record) = hash(&record) {
            entries.push(&Restated { key, record })?;
        }
    }
    for chunk in entries.chunks() {
        let entries: Vec<_> = chunk?.1.into_iter().map(|entry| (entry.key, entry.record)).collect();
        ledger.restate(&entries)?;
        point("refresh.marked");
    }
    Ok(())
}

/// Ends a full refresh that is through.
///
/// # Errors
/// When the ledger cannot be read or written.
pub fn end(ledger: &Ledger, delta: &Delta) -> Result<()> {
    if ledger.note(FULL_REFRESH)?.is_some() && !is_due(ledger, delta)? {
        ledger.set_note(FULL_REFRESH, None)?;
        point("after.refresh");
    }
    Ok(())
}

/// Some row of a full refresh was not acknowledged yet; one that vanished never will be.
fn is_due(ledger: &Ledger, delta: &Delta) -> Result<bool> {
    let mut chunks = delta.vanished.chunks();
    let mut vanished: Vec<KeyHash> = Vec::new();
    for entry in ledger.live_entries()? {
        let (key, record) = entry?;
        if !record.is_stale() {
            continue;
        }
        // Both come in the order of keys.
        while vanished.last().is_none_or(|last| *last < key) {
            match chunks.next().transpose()? {
                Some((_, next)) => vanished = next,
                None => break,
            }
        }
        if vanished.binary_search(&key).is_err() {
            return Ok(true);
        }
    }
    Ok(false)
}
