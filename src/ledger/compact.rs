//! Folding the log into the parts, part by part. A crash between two steps loses nothing: the log stays whole until
//! every part has taken it in, and taking it in twice changes nothing.

use std::ops::ControlFlow;

use outflow_connectors::rehearsal::point;
use rusqlite::Connection;

use super::fault::Attempt;
use super::meta;
use super::newest::Newest;
use super::packed::{self, Entry, place};
use super::store::{Term, write};

/// Entries of a part that was just split.
const TARGET: usize = 4096;
/// A part with more is split.
const LARGEST: usize = 2 * TARGET;
/// Entries rewritten in one transaction.
const STEP: usize = 1 << 18;

/// Free pages not worth giving back: 4 MB, and a twentieth of the file.
const FREE_PAGES: i64 = 256;
/// Pages given back in one transaction.
const STEP_PAGES: i64 = 1024;

/// Whether the log has grown past 2 % of the rows.
pub(super) fn is_due(conn: &Connection) -> Attempt<bool> {
    Ok(packed::log_len(conn)? * 50 > meta::get(conn, meta::ENTRIES)?)
}

/// Folds the whole log; `after_step` may end it early, as a crash would.
pub(super) fn compact(
    conn: &mut Connection,
    term: Term,
    mut after_step: impl FnMut() -> ControlFlow<()>,
) -> Attempt<()> {
    let upto = meta::get(conn, meta::LOG_NEXT)?;
    let mut changes = Newest::of_log(conn)?;
    while changes.peek().is_some() {
        write(conn, term, |tx| step(tx, &mut changes))?;
        point("compact.step");
        if after_step().is_break() {
            return Ok(());
        }
    }
    point("compact.folded");
    write(conn, term, |tx| {
        tx.execute("DELETE FROM log WHERE seq < ?1", [upto as i64])?;
        meta::set(tx, meta::LOG_FIRST, upto)
    })?;
    shrink(conn, term)
}

/// Gives free pages back to the disk where they are many, the last pages of the file moving into them.
fn shrink(conn: &mut Connection, term: Term) -> Attempt<()> {
    let number = |conn: &Connection, name| conn.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    loop {
        let (free, all) = (number(conn, "freelist_count")?, number(conn, "page_count")?);
        if free < FREE_PAGES || free * 20 < all {
            return Ok(());
        }
        write(conn, term, |tx| {
            // Gives a row for each page, and stops where nobody asks for the next.
            let mut vacuum = tx.prepare(&format!("PRAGMA incremental_vacuum({})", free.min(STEP_PAGES)))?;
            let mut rows = vacuum.query([])?;
            while rows.next()?.is_some() {}
            Ok(())
        })?;
        if number(conn, "freelist_count")? >= free {
            // A file whose version of outflow did not make it for this.
            return Ok(());
        }
    }
}

/// Takes changes in, part after part, until enough was rewritten for one transaction.
fn step(conn: &Connection, changes: &mut Newest) -> Attempt<()> {
    let mut tally = Tally { parts: meta::get(conn, meta::PARTS)?, entries: meta::get(conn, meta::ENTRIES)? };
    let mut rewritten = 0;
    while let Some(first) = changes.peek().filter(|_| rewritten < STEP) {
        let (id, end) = home(conn, place(&first.key))?;
        let old = packed::read_part(conn, id)?;
        let mine = up_to(changes, end)?;
        let merged = merge(old.as_deref().unwrap_or_default(), mine);
        rewritten += merged.len();
        tally.parts = tally.parts.saturating_sub(u64::from(old.is_some()));
        tally.entries = tally.entries.saturating_sub(old.map_or(0, |old| old.len() as u64));
        put(conn, id, &merged, &mut tally)?;
    }
    meta::set(conn, meta::PARTS, tally.parts)?;
    meta::set(conn, meta::ENTRIES, tally.entries)
}

struct Tally {
    parts: u64,
    entries: u64,
}

/// The part that holds `place`, and where the next one begins; the first part begins at 0.
fn home(conn: &Connection, place: i64) -> Attempt<(i64, Option<i64>)> {
    let bound = |sql: &str| -> Attempt<Option<i64>> {
        Ok(conn.prepare_cached(sql)?.query_row([place], |row| row.get(0))?)
    };
    let id = bound("SELECT max(id) FROM part WHERE id <= ?1")?.unwrap_or(0);
    Ok((id, bound("SELECT min(id) FROM part WHERE id > ?1")?))
}

/// The next changes of one part, at most so many as one transaction takes: the last part takes in all that follow.
fn up_to(changes: &mut Newest, end: Option<i64>) -> Attempt<Vec<Entry>> {
    let mut mine = Vec::new();
    while mine.len() < STEP
        && let Some(change) = changes.next_if(|change| end.is_none_or(|end| place(&change.key) < end))?
    {
        mine.push(change);
    }
    Ok(mine)
}

fn merge(old: &[Entry], mut changes: Vec<Entry>) -> Vec<Entry> {
    if old.is_empty() {
        changes.retain(|change| !change.record.is_removed());
        return changes;
    }
    let mut merged = Vec::with_capacity(old.len() + changes.len());
    let mut old = old.iter().copied().peekable();
    for change in changes {
        while let Some(entry) = old.next_if(|entry| entry.key < change.key) {
            merged.push(entry);
        }
        old.next_if(|entry| entry.key == change.key);
        if !change.record.is_removed() {
            merged.push(change);
        }
    }
    merged.extend(old);
    merged
}

/// Writes a part's entries back, as several parts where they are too many, as none where there are none.
fn put(conn: &Connection, id: i64, mut entries: &[Entry], tally: &mut Tally) -> Attempt<()> {
    if entries.is_empty() {
        return packed::delete_part(conn, id);
    }
    tally.entries += entries.len() as u64;
    let mut at = id;
    loop {
        let cut = if entries.len() > LARGEST { split(entries) } else { entries.len() };
        let (part, rest) = entries.split_at(cut);
        packed::write_part(conn, at, part)?;
        tally.parts += 1;
        match rest.first() {
            Some(next) => (at, entries) = (place(&next.key), rest),
            None => return Ok(()),
        }
    }
}

/// Where to cut: near the target, but never between two keys of one place.
fn split(entries: &[Entry]) -> usize {
    let same = |i: usize| place(&entries[i].key) == place(&entries[i - 1].key);
    (TARGET..entries.len()).find(|&i| !same(i)).unwrap_or(entries.len())
}
