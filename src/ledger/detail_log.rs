//! The log of details: what is settled is appended here, and folded into table `detail` in the order of keys once all is
//! sent, since batches come in no order of the table's, and each would touch pages all over it. A crash on the way loses
//! nothing: the log stays until the table has taken all of it in, and taking it in twice changes nothing.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::ops::ControlFlow;
use std::sync::{Mutex, MutexGuard, PoisonError};

use outflow_connectors::rehearsal::point;
use rusqlite::{Connection, params};

use super::detail::{self, Change};
use super::detail_row::{Form, Kept, Table, any};
use super::entry::KeyHash;
use super::fault::{Attempt, damaged};
use super::meta;
use super::newest::{Keyed, Newest, Sorter};
use super::packed;
use super::prehashed::Prehashed;
use super::store::{Ledger, Term, write};
use super::sum::Sum;
use crate::error::Result;

/// Fewer details than these, settled while the log is empty, are put into the table at once: each costs a page at most,
/// about what appending and folding it would, and the run of a few changes leaves nothing to fold.
const FEW: usize = if cfg!(debug_assertions) { 4 } else { 64 };
/// Bytes of a row of the log, more or less.
const ROW: usize = 4 << 20;
/// Keys that a set of 38 MB holds; before more come the log is folded.
const MOST: usize = if cfg!(all(test, debug_assertions)) { 7 << 6 } else { 7 << 19 };
/// Details folded in one transaction: as many pages at most, and as many of the index.
const STEP: usize = if cfg!(all(test, debug_assertions)) { 1 << 6 } else { 1 << 13 };
/// Fewer details are folded in steps in any case.
const LARGE: u64 = if cfg!(all(test, debug_assertions)) { 1 << 9 } else { 1 << 16 };

/// Of which keys the log may have details: 64 bits of each. All of them, and after a transaction that failed some more.
#[derive(Default)]
pub(super) struct Logged(HashSet<u64, BuildHasherDefault<Prehashed>>);

impl Logged {
    pub(super) fn holds_any(&self) -> bool {
        !self.0.is_empty()
    }

    pub(super) fn holds_some(&self, keys: &[KeyHash]) -> bool {
        self.holds_any() && keys.iter().any(|key| self.0.contains(&head(key)))
    }

    /// Whether so many keys more would be too many: the set would double, and be there twice while it does.
    pub(super) fn is_full(&self, more: usize) -> bool {
        self.holds_any() && self.0.len() + more > MOST
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
        // Before they are durable: a key too many costs a fold, one that is missing a wrong answer.
        self.0.extend(changes.iter().map(|(key, _)| head(key)));
        append(conn, &changes)
    }

    fn fold(&mut self, conn: &mut Connection, term: Term) -> Attempt<()> {
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

    /// Looks at table `detail` once it has what the log says: the log is folded if it `is_due` for what is looked for. One who
    /// only reads sees a table of his own.
    pub(super) fn look_at_details<T: Send + 'static>(
        &self,
        is_due: impl FnOnce(&Logged) -> bool,
        work: impl Fn(&Connection) -> Attempt<T> + Send + 'static,
    ) -> Result<T> {
        self.fold_details(is_due)?;
        let reads_only = self.term.is_none();
        self.owner.look(move |conn| {
            if reads_only {
                shadow(conn)?;
            }
            work(conn)
        })
    }
}

/// A detail in the bytes in which it is logged, sorted and folded; none where the key has no detail any more.
struct Logging {
    key: KeyHash,
    bytes: Vec<u8>,
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
fn bounds(conn: &Connection) -> Attempt<(u64, u64)> {
    Ok((meta::get(conn, meta::DETAIL_FIRST)?, meta::get(conn, meta::DETAIL_NEXT)?))
}

/// Whether there is a log: a ledger of version 1, which is read as it stands, has none.
fn exists(conn: &Connection) -> Attempt<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM main.sqlite_schema WHERE name = 'detail_log')";
    Ok(conn.query_row(sql, [], |row| row.get(0))?)
}

/// No row must be missing.
pub(super) fn check_counts(conn: &Connection) -> Attempt<()> {
    if exists(conn)? { packed::check_log(conn, "detail_log", bounds(conn)?) } else { Ok(()) }
}

/// Reads every row and its checksum.
pub(super) fn check(conn: &Connection) -> Attempt<()> {
    if exists(conn)? { each(conn, |_| Ok(())) } else { Ok(()) }
}

/// Calls `each` with all that was logged, oldest first.
fn each(conn: &Connection, mut each: impl FnMut(Logging) -> Attempt<()>) -> Attempt<()> {
    let (first, next) = bounds(conn)?;
    let mut expected = first as i64;
    let mut query = conn.prepare_cached("SELECT seq, n, sum, data FROM detail_log ORDER BY seq")?;
    let mut rows = query.query([])?;
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

/// The newest detail of each key, in the order of keys; the whole log is read and checked.
fn newest(conn: &Connection) -> Attempt<Newest<Logging>> {
    let mut sorter = Sorter::beside(conn, len(conn)?);
    each(conn, |logged| sorter.push(logged))?;
    sorter.sorted()
}

fn len(conn: &Connection) -> Attempt<u64> {
    let n: i64 = conn.query_row("SELECT coalesce(sum(n), 0) FROM detail_log", [], |row| row.get(0))?;
    Ok(n.max(0) as u64)
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
    let mut changes = newest(&view)?;
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
    let logged = len(conn)?;
    if logged < LARGE {
        return Ok(false);
    }
    let rows: i64 = conn.query_row("SELECT count(*) FROM detail", [], |row| row.get(0))?;
    Ok(logged.saturating_mul(8) >= rows as u64)
}

/// Takes in so much that the index is better made anew: its entries come in no order of the table's, and each would touch
/// a page of its own. That must be one transaction, for without its index the ledger would count as damaged. Its pages are
/// those that the log leaves.
fn at_once(conn: &Connection, changes: &mut Newest<Logging>, upto: u64) -> Attempt<()> {
    let sql = "SELECT sql FROM sqlite_schema WHERE name = 'detail_by_destination'";
    let index: String = conn.query_row(sql, [], |row| row.get(0))?;
    conn.execute_batch("DROP INDEX detail_by_destination")?;
    forget(conn, upto)?;
    take_in(conn, changes, usize::MAX)?;
    Ok(conn.execute_batch(&index)?)
}

/// Brings the next changes into the table.
fn take_in(conn: &Connection, changes: &mut Newest<Logging>, most: usize) -> Attempt<()> {
    let mut table = Table::new(conn)?;
    for _ in 0..most {
        let Some(Logging { key, bytes }) = changes.next()? else { break };
        if bytes.is_empty() {
            table.delete(&key)?;
            continue;
        }
        match Kept::read(&bytes) {
            Some(kept) => table.put(&key, &kept)?,
            None => return damaged(format!("the logged detail of key {key} is unreadable")),
        }
    }
    Ok(())
}

/// Drops what the table has taken in.
fn forget(conn: &Connection, upto: u64) -> Attempt<()> {
    conn.execute("DELETE FROM detail_log WHERE seq < ?1", [upto as i64])?;
    meta::set(conn, meta::DETAIL_FIRST, upto)
}

/// Where a ledger is only read, and has a log of details, `detail` is from now on a temporary table of this connection: it has
/// what the table will have once the log is folded. The connection must be within a transaction that lasts.
fn shadow(conn: &Connection) -> Attempt<()> {
    if !exists(conn)? {
        return Ok(());
    }
    let (first, next) = bounds(conn)?;
    // The index comes last, so where it is, all is there.
    let sql = "SELECT EXISTS (SELECT 1 FROM temp.sqlite_schema WHERE name = 'detail_by_destination')";
    if first == next || conn.query_row(sql, [], |row| row.get(0))? {
        return Ok(());
    }
    let query_only: bool = conn.pragma_query_value(None, "query_only", |row| row.get(0))?;
    conn.pragma_update(None, "query_only", false)?;
    let made = make_shadow(conn);
    conn.pragma_update(None, "query_only", query_only)?;
    made
}

fn make_shadow(conn: &Connection) -> Attempt<()> {
    let sql = |name: &str| -> Attempt<String> {
        let query = "SELECT sql FROM main.sqlite_schema WHERE name = ?1";
        Ok(conn.query_row(query, [name], |row| row.get(0))?)
    };
    let table = sql("detail")?.replacen("CREATE TABLE ", "CREATE TABLE temp.", 1);
    let index = sql("detail_by_destination")?.replacen("CREATE INDEX ", "CREATE INDEX temp.", 1);
    conn.execute_batch("DROP TABLE IF EXISTS temp.detail")?;
    conn.execute_batch(&table)?;
    conn.execute_batch("INSERT INTO temp.detail SELECT * FROM main.detail")?;
    take_in(conn, &mut newest(conn)?, usize::MAX)?;
    Ok(conn.execute_batch(&index)?)
}
