//! The log of details: what is settled is appended here, and folded into table `detail` in the order of keys once there is
//! much of it. For batches come in no order of the table's, and each would touch pages all over it; so would a run of few
//! changes in any order. A crash on the way loses nothing: the log stays until the table has taken all of it in, and taking
//! it in twice changes nothing.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use outflow_connectors::rehearsal::point;
use rusqlite::{Connection, params};

use super::detail::{self, Change};
use super::detail_row::{Form, Kept, Table, any};
use super::detail_view::{self, Shown};
use super::entry::KeyHash;
use super::fault::{Attempt, damaged};
use super::meta;
use super::newest::{Keyed, Newest, Sorter};
use super::packed;
use super::prehashed::Prehashed;
use super::store::{Ledger, Term, write};
use super::sum::Sum;
use crate::error::Result;

/// The log is folded once this times its details is as many as the live entries: of a sixteenth of them a page of the table,
/// which has room for some forty, takes in several. In debug builds runs over twenty rows meet both ways.
const SHARE: u64 = if cfg!(debug_assertions) { 2 } else { 16 };
/// Bytes of a log that is folded in any case: whoever looks at it has read all of it before.
const HEAVY: u64 = if cfg!(all(test, debug_assertions)) { 1 << 21 } else { 1 << 25 };
/// Fewer details than these, settled while the log is empty, are put into the table at once: each costs a page at most,
/// about what appending and folding it would, and the run of a few changes leaves nothing to look up in a log.
const FEW: usize = if cfg!(debug_assertions) { 4 } else { 64 };
/// Bytes of a row of the log, more or less.
const ROW: usize = 4 << 20;
/// Keys that a set of 38 MB holds; before more come the log is folded.
const MOST: usize = if cfg!(all(test, debug_assertions)) { 7 << 6 } else { 7 << 19 };
/// Details folded in one transaction: as many pages at most, and as many of the index.
const STEP: usize = if cfg!(all(test, debug_assertions)) { 1 << 6 } else { 1 << 13 };
/// Fewer details are folded in steps in any case.
const LARGE: u64 = if cfg!(all(test, debug_assertions)) { 1 << 9 } else { 1 << 16 };

/// 64 bits of each key.
type Heads = HashSet<u64, BuildHasherDefault<Prehashed>>;

/// What a ledger that is written knows of its log, and what its connection shows of it.
#[derive(Default)]
pub(super) struct Logged {
    /// Of which keys there may be details that the view does not show: all of them, and after a transaction that failed
    /// some more.
    news: Heads,
    /// Of all others that were logged.
    seen: Heads,
    /// `None` where there is no view: the table is seen as it is.
    pub(super) shown: Option<Shown>,
}

impl Logged {
    /// What earlier runs have left: much of it is folded, of the rest the keys are read.
    pub(super) fn left(conn: &mut Connection, term: Term) -> Attempt<Logged> {
        let mut logged = Logged::default();
        let view = conn.transaction()?;
        if !is_due(&view)? {
            each(&view, bounds(&view)?.0, |detail| {
                logged.news.insert(head(&detail.key));
                Ok(())
            })?;
            return Ok(logged);
        }
        drop(view);
        logged.fold(conn, term)?;
        Ok(logged)
    }

    fn len(&self) -> usize {
        self.news.len() + self.seen.len()
    }

    pub(super) fn holds_any(&self) -> bool {
        self.len() > 0
    }

    pub(super) fn holds(&self, key: &KeyHash) -> bool {
        [&self.news, &self.seen].into_iter().any(|heads| heads.contains(&head(key)))
    }

    /// Whether there is a detail that the view does not show.
    pub(super) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// As [`Self::has_news`], of one of these keys.
    pub(super) fn has_news_of(&self, keys: &[KeyHash]) -> bool {
        self.has_news() && keys.iter().any(|key| self.news.contains(&head(key)))
    }

    /// The view shows all that was logged.
    pub(super) fn show(&mut self, shown: Option<Shown>) {
        self.shown = shown;
        let news = std::mem::take(&mut self.news);
        match self.seen.is_empty() {
            true => self.seen = news,
            false => self.seen.extend(news),
        }
    }

    /// Whether so many keys more would be too many: the set would double, and be there twice while it does.
    pub(super) fn is_full(&self, more: usize) -> bool {
        self.holds_any() && self.len() + more > MOST
    }

    /// Takes in details within the caller's transaction; of equal keys the last one counts.
    pub(super) fn take(&mut self, conn: &Connection, changes: Vec<Change>) -> Attempt<()> {
        let deletes_only = changes.iter().all(|(_, detail)| detail.is_none());
        if changes.is_empty() || deletes_only && !self.holds_any() && !any(conn)? {
            return Ok(());
        }
        if changes.len() < FEW && !self.holds_any() {
            return detail::put_all(conn, changes);
        }
        // Before they are durable: a key too many costs a look, one that is missing a wrong answer.
        self.news.extend(changes.iter().map(|(key, _)| head(key)));
        append(conn, &changes)
    }

    pub(super) fn fold(&mut self, conn: &mut Connection, term: Term) -> Attempt<()> {
        if self.shown.is_some() {
            // First, so that its room is free for what SQLite sorts.
            let tx = conn.transaction()?;
            detail_view::remove(&tx)?;
            tx.commit()?;
            self.shown = None;
            // Nothing is shown now, and nothing is folded if that fails.
            self.news.extend(std::mem::take(&mut self.seen));
        }
        fold(conn, term, || ControlFlow::Continue(()))?;
        *self = Logged::default();
        Ok(())
    }
}

fn head(key: &KeyHash) -> u64 {
    (u128::from_be_bytes(key.0) >> 64) as u64
}

pub(super) fn lock(logged: &Mutex<Logged>) -> MutexGuard<'_, Logged> {
    logged.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// Folds the log, if it `is_due`; nothing in a ledger that is only read.
    pub(super) fn fold_details(&self, is_due: impl FnOnce(&Logged) -> bool) -> Result<()> {
        // The owning thread locks it, too, so it must be free again before that thread is asked for anything.
        let is_due = is_due(&lock(&self.logged));
        let Some(term) = self.term.filter(|_| is_due) else { return Ok(()) };
        let logged = self.logged.clone();
        self.owner.call(move |conn| lock(&logged).fold(conn, term))
    }
}

/// A detail in the bytes in which it is logged, sorted and folded; none where the key has no detail any more.
pub(super) struct Logging {
    pub(super) key: KeyHash,
    bytes: Vec<u8>,
}

impl Logging {
    /// `None` where the key has no detail any more.
    pub(super) fn kept(&self) -> Attempt<Option<Kept<'_>>> {
        match Kept::read(&self.bytes) {
            None if self.bytes.is_empty() => Ok(None),
            None => damaged(format!("the logged detail of key {} is unreadable", self.key)),
            kept => Ok(kept),
        }
    }
}

impl Keyed for Logging {
    const PIECE: usize = if cfg!(all(test, debug_assertions)) { 1 << 14 } else { 1 << 25 };

    fn key(&self) -> KeyHash {
        self.key
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.bytes.len()
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.key.0);
        out.extend_from_slice(&(self.bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.bytes);
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (key, rest) = from.split_first_chunk::<16>()?;
        let (len, rest) = rest.split_first_chunk::<4>()?;
        let (bytes, rest) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        *from = rest;
        Some(Logging { key: KeyHash(*key), bytes: bytes.to_vec() })
    }
}

fn row_sum(seq: i64, n: i64, data: &[u8]) -> i64 {
    Sum::new().int(seq).int(n).bytes(data).finish()
}

/// Appends to the log within the caller's transaction: a row, or several where one would be very long.
fn append(conn: &Connection, changes: &[Change]) -> Attempt<()> {
    let mut next = meta::get(conn, meta::DETAIL_NEXT)?;
    let mut form = Form::new(conn)?;
    let mut insert =
        conn.prepare_cached("INSERT INTO detail_log (seq, n, sum, data) VALUES (?1, ?2, ?3, ?4)")?;
    let (mut n, mut data) = (0, Vec::new());
    let mut left = changes.len();
    for (key, detail) in changes {
        data.extend_from_slice(&key.0);
        // The length stands before the bytes, and is known after them.
        let start = data.len() + 4;
        data.extend_from_slice(&[0; 4]);
        let kept = match detail {
            Some(detail) => form.of(detail)?,
            None => None,
        };
        if let Some(kept) = kept {
            kept.write(&mut data);
        }
        let len = (data.len() - start) as u32;
        data[start - 4..start].copy_from_slice(&len.to_le_bytes());
        (n, left) = (n + 1, left - 1);
        if left == 0 || data.len() >= ROW {
            let seq = next as i64;
            insert.execute(params![seq, n, row_sum(seq, n, &data), data])?;
            next += 1;
            n = 0;
            data.clear();
        }
    }
    meta::set(conn, meta::DETAIL_NEXT, next)
}

/// Sequence numbers of the first row, and of the one after the last.
pub(super) fn bounds(conn: &Connection) -> Attempt<(u64, u64)> {
    Ok((meta::get(conn, meta::DETAIL_FIRST)?, meta::get(conn, meta::DETAIL_NEXT)?))
}

/// Whether there is a log: a ledger of version 1, which is read as it stands, has none.
pub(super) fn exists(conn: &Connection) -> Attempt<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE name = 'detail_log')";
    Ok(conn.query_row(sql, [], |row| row.get(0))?)
}

/// No row must be missing.
pub(super) fn check_counts(conn: &Connection) -> Attempt<()> {
    if exists(conn)? { packed::check_log(conn, "detail_log", bounds(conn)?) } else { Ok(()) }
}

/// Reads every row and its checksum.
pub(super) fn check(conn: &Connection) -> Attempt<()> {
    if exists(conn)? { each(conn, bounds(conn)?.0, |_| Ok(())) } else { Ok(()) }
}

/// Calls `each` with what was logged in the rows from `from` on, oldest first.
fn each(conn: &Connection, from: u64, mut each: impl FnMut(Logging) -> Attempt<()>) -> Attempt<()> {
    let (_, next) = bounds(conn)?;
    let mut expected = from as i64;
    let mut query =
        conn.prepare_cached("SELECT seq, n, sum, data FROM detail_log WHERE seq >= ?1 ORDER BY seq")?;
    let mut rows = query.query([expected])?;
    while let Some(row) = rows.next()? {
        let (seq, n, sum): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let Ok(mut data) = row.get_ref(3)?.as_blob() else {
            return damaged(format!("row {seq} of table `detail_log` is unreadable"));
        };
        if seq != expected || sum != row_sum(seq, n, data) {
            return damaged(format!("row {seq} of table `detail_log` has a wrong checksum"));
        }
        for _ in 0..n {
            match Logging::read(&mut data) {
                Some(logged) => each(logged)?,
                None => return damaged(format!("row {seq} of table `detail_log` ends too early")),
            }
        }
        expected += 1;
    }
    match expected as u64 == next {
        true => Ok(()),
        false => damaged("rows are missing from table `detail_log`"),
    }
}

/// The newest detail that the rows from `from` on have of each key, in the order of keys; they are all read and checked.
pub(super) fn newest(conn: &Connection, from: u64) -> Attempt<Newest<Logging>> {
    let mut sorter = Sorter::beside(conn, size(conn, from)?.0);
    each(conn, from, |logged| sorter.push(logged))?;
    sorter.sorted()
}

/// Details in the rows from `from` on, and their bytes.
fn size(conn: &Connection, from: u64) -> Attempt<(u64, u64)> {
    let sql = "SELECT coalesce(sum(n), 0), coalesce(sum(length(data)), 0) FROM detail_log WHERE seq >= ?1";
    let size: (i64, i64) = conn.query_row(sql, [from as i64], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((size.0.max(0) as u64, size.1.max(0) as u64))
}

/// Whether the log is to be folded: it is no longer small, beside the entries or in itself.
pub(super) fn is_due(conn: &Connection) -> Attempt<bool> {
    let (details, bytes) = size(conn, 0)?;
    if details == 0 {
        return Ok(false);
    }
    let entries = meta::get(conn, meta::ENTRIES)? + packed::log_len(conn)?;
    Ok(details.saturating_mul(SHARE) >= entries || bytes >= HEAVY)
}

/// Folds the whole log; `after_step` may end it early, as a crash would.
pub(super) fn fold(
    conn: &mut Connection,
    term: Term,
    mut after_step: impl FnMut() -> ControlFlow<()>,
) -> Attempt<()> {
    // One view of it: a run that was taken over may still write, until this one has written.
    let view = conn.transaction()?;
    let (first, upto) = bounds(&view)?;
    if first == upto {
        return Ok(());
    }
    let is_large = is_large(&view)?;
    let mut changes = newest(&view, first)?;
    drop(view);
    if is_large {
        return write(conn, term, |tx| at_once(tx, &mut changes, upto));
    }
    while changes.peek().is_some() {
        write(conn, term, |tx| take_in(tx, &mut changes, STEP))?;
        point("details.step");
        if after_step().is_break() {
            return Ok(());
        }
    }
    point("details.folded");
    write(conn, term, |tx| forget(tx, upto))
}

/// Whether the log is an eighth of the table or more, as after a first run.
fn is_large(conn: &Connection) -> Attempt<bool> {
    let (logged, _) = size(conn, 0)?;
    if logged < LARGE {
        return Ok(false);
    }
    let rows: i64 = conn.query_row("SELECT count(*) FROM main.detail", [], |row| row.get(0))?;
    Ok(logged.saturating_mul(8) >= rows as u64)
}

/// Takes in so much that the index is better made anew: its entries come in no order of the table's, and each would touch
/// a page of its own. That must be one transaction, for without its index the ledger would count as damaged. Its pages are
/// those that the log leaves.
fn at_once(conn: &Connection, changes: &mut Newest<Logging>, upto: u64) -> Attempt<()> {
    let sql = "SELECT sql FROM main.sqlite_schema WHERE name = 'detail_by_destination'";
    let index: String = conn.query_row(sql, [], |row| row.get(0))?;
    // Said as it was, it would be one of a view that hides the table.
    let index = index.replacen("CREATE INDEX ", "CREATE INDEX main.", 1);
    conn.execute_batch("DROP INDEX main.detail_by_destination")?;
    forget(conn, upto)?;
    take_in(conn, changes, usize::MAX)?;
    Ok(conn.execute_batch(&index)?)
}

/// Brings the next changes into the table.
fn take_in(conn: &Connection, changes: &mut Newest<Logging>, most: usize) -> Attempt<()> {
    let mut table = Table::new(conn)?;
    for _ in 0..most {
        let Some(logged) = changes.next()? else { break };
        match logged.kept()? {
            Some(kept) => table.put(&logged.key, &kept)?,
            None => table.delete(&logged.key)?,
        }
    }
    Ok(())
}

/// Drops what the table has taken in.
fn forget(conn: &Connection, upto: u64) -> Attempt<()> {
    conn.execute("DELETE FROM detail_log WHERE seq < ?1", [upto as i64])?;
    meta::set(conn, meta::DETAIL_FIRST, upto)
}
