//! Entries packed in blobs: the sorted parts and the log of what came after them.

use std::ops::ControlFlow;

use rusqlite::{Connection, params};

use super::entry::{KeyHash, RecordHash};
use super::fault::{Attempt, damaged};
use super::meta;
use super::newest::Newest;
use super::sum::Sum;

/// Bytes of one entry.
pub(super) const WIDTH: usize = 32;
/// Entries of one log row at most.
const LOG_ROW: usize = 65_536;

/// A key and the fingerprint acknowledged for it; zero for a removal, in the log only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: KeyHash,
    pub(super) record: RecordHash,
}

/// Where a key belongs: its first 63 bits.
pub(super) fn place(key: &KeyHash) -> i64 {
    let mut head = [0; 8];
    head.copy_from_slice(&key.0[..8]);
    (u64::from_be_bytes(head) >> 1) as i64
}

pub(super) fn pack(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(entries.len() * WIDTH);
    for entry in entries {
        out.extend_from_slice(&entry.key.0);
        out.extend_from_slice(&entry.record.0);
    }
    out
}

pub(super) fn unpack(data: &[u8]) -> impl Iterator<Item = Entry> + '_ {
    rows_of(data).iter().map(unpacked)
}

fn rows_of(data: &[u8]) -> &[[u8; WIDTH]] {
    data.as_chunks::<WIDTH>().0
}

#[inline]
fn unpacked(row: &[u8; WIDTH]) -> Entry {
    let (key, record) = row.split_at(16);
    Entry { key: KeyHash(array(key)), record: RecordHash(array(record)) }
}

#[inline]
fn array(bytes: &[u8]) -> [u8; 16] {
    bytes.first_chunk().copied().unwrap_or_default()
}

fn part_sum(id: i64, data: &[u8]) -> i64 {
    Sum::new().int(id).bytes(data).finish()
}

fn log_sum(seq: i64, run: &str, data: &[u8]) -> i64 {
    Sum::new().int(seq).text(run).bytes(data).finish()
}

/// Appends to the log within the caller's transaction.
pub(super) fn append(conn: &Connection, run: &str, entries: &[Entry]) -> Attempt<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut next = meta::get(conn, meta::LOG_NEXT)?;
    let mut insert =
        conn.prepare_cached("INSERT INTO log (seq, run, n, sum, data) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for chunk in entries.chunks(LOG_ROW) {
        let (seq, data) = (next as i64, pack(chunk));
        insert.execute(params![seq, run, chunk.len() as i64, log_sum(seq, run, &data), data])?;
        next += 1;
    }
    meta::set(conn, meta::LOG_NEXT, next)
}

/// Entries in all log rows.
pub(super) fn log_len(conn: &Connection) -> Attempt<u64> {
    let n: i64 =
        conn.prepare_cached("SELECT coalesce(sum(n), 0) FROM log")?.query_row([], |row| row.get(0))?;
    Ok(n.max(0) as u64)
}

/// Rows of parts and log must be as many as `meta` says.
pub(super) fn check_counts(conn: &Connection) -> Attempt<()> {
    let parts: (i64, i64) = conn.query_row("SELECT count(*), coalesce(sum(n), 0) FROM part", [], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    if (parts.0 as u64, parts.1 as u64) != (meta::get(conn, meta::PARTS)?, meta::get(conn, meta::ENTRIES)?) {
        return damaged("parts are missing from table `part`");
    }
    check_log(conn, "log", (meta::get(conn, meta::LOG_FIRST)?, meta::get(conn, meta::LOG_NEXT)?))
}

/// The rows of a log must be exactly those from the first up to, not including, the next.
pub(super) fn check_log(conn: &Connection, table: &str, (first, next): (u64, u64)) -> Attempt<()> {
    let sql = format!("SELECT count(*), min(seq), max(seq) FROM {table}");
    let log: (i64, Option<i64>, Option<i64>) =
        conn.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let whole = match log {
        (0, _, _) => first == next,
        (rows, Some(low), Some(high)) => {
            low as u64 == first && high as u64 + 1 == next && rows as u64 == next.saturating_sub(first)
        }
        _ => false,
    };
    if whole { Ok(()) } else { damaged(format!("rows are missing from table `{table}`")) }
}

/// Calls `each` with every entry of the log, oldest first.
pub(super) fn each_logged(conn: &Connection, mut each: impl FnMut(Entry) -> Attempt<()>) -> Attempt<()> {
    let (first, next) = (meta::get(conn, meta::LOG_FIRST)?, meta::get(conn, meta::LOG_NEXT)?);
    let mut expected = first as i64;
    let mut query = conn.prepare_cached("SELECT seq, run, n, sum, data FROM log ORDER BY seq")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (seq, run, n, sum) =
            (row.get::<_, i64>(0)?, row.get_ref(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?);
        let (Ok(run), Ok(data)) = (run.as_str(), row.get_ref(4)?.as_blob()) else {
            return damaged(format!("row {seq} of table `log` is unreadable"));
        };
        if seq != expected || data.len() as i64 != n * WIDTH as i64 || sum != log_sum(seq, run, data) {
            return damaged(format!("row {seq} of table `log` has a wrong checksum"));
        }
        unpack(data).try_for_each(&mut each)?;
        expected += 1;
    }
    match expected as u64 == next {
        true => Ok(()),
        false => damaged("rows are missing from table `log`"),
    }
}

/// Calls `each` with every part, in the order of keys, until it has had enough.
fn each_part(
    conn: &Connection,
    mut each: impl FnMut(Part<'_>) -> Attempt<ControlFlow<()>>,
) -> Attempt<ControlFlow<()>> {
    let (mut parts, mut entries) = (0u64, 0u64);
    let mut last: Option<KeyHash> = None;
    let mut query = conn.prepare_cached("SELECT id, n, sum, data FROM part ORDER BY id")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (id, n, sum): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let Ok(data) = row.get_ref(3)?.as_blob() else {
            return damaged(format!("part {id} is unreadable"));
        };
        let part = Part::check(id, n, sum, data)?;
        if let (Some(before), Some(first)) = (last, part.entries().next())
            && before >= first.key
        {
            return damaged(format!("part {id} is out of order"));
        }
        last = part.last_key().or(last);
        parts += 1;
        entries += n as u64;
        if each(part)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    match (parts, entries) == (meta::get(conn, meta::PARTS)?, meta::get(conn, meta::ENTRIES)?) {
        true => Ok(ControlFlow::Continue(())),
        false => damaged("parts are missing from table `part`"),
    }
}

/// One part whose checksum is right.
pub(super) struct Part<'a> {
    data: &'a [u8],
}

impl<'a> Part<'a> {
    fn check(id: i64, n: i64, sum: i64, data: &'a [u8]) -> Attempt<Self> {
        if data.len() as i64 != n * WIDTH as i64 || sum != part_sum(id, data) {
            return damaged(format!("part {id} has a wrong checksum"));
        }
        Ok(Part { data })
    }

    fn last_key(&self) -> Option<KeyHash> {
        let last = self.data.get(self.data.len().checked_sub(WIDTH)?..)?;
        unpack(last).next().map(|entry| entry.key)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> + 'a {
        unpack(self.data)
    }
}

/// Reads one part; `None` where there is none of this id.
pub(super) fn read_part(conn: &Connection, id: i64) -> Attempt<Option<Vec<Entry>>> {
    let mut query = conn.prepare_cached("SELECT n, sum, data FROM part WHERE id = ?1")?;
    let mut rows = query.query([id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let Ok(data) = row.get_ref(2)?.as_blob() else {
        return damaged(format!("part {id} is unreadable"));
    };
    Ok(Some(Part::check(id, row.get(0)?, row.get(1)?, data)?.entries().collect()))
}

pub(super) fn write_part(conn: &Connection, id: i64, entries: &[Entry]) -> Attempt<()> {
    let data = pack(entries);
    conn.prepare_cached("INSERT OR REPLACE INTO part (id, n, sum, data) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![id, entries.len() as i64, part_sum(id, &data), data])?;
    Ok(())
}

pub(super) fn delete_part(conn: &Connection, id: i64) -> Attempt<()> {
    conn.prepare_cached("DELETE FROM part WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Calls `each` with every live entry, sorted by key, until it has had enough.
pub(super) fn each_live(conn: &Connection, mut each: impl FnMut(Entry) -> ControlFlow<()>) -> Attempt<()> {
    let mut log = Newest::of_log(conn)?;
    let mut live = |entry: Entry| match entry.record.is_removed() {
        true => ControlFlow::Continue(()),
        false => each(entry),
    };
    let walked = each_part(conn, |part| {
        // Most entries come before the next one of the log, and nothing is asked of it for them.
        let mut next = log.peek().map(|newer| newer.key);
        for row in rows_of(part.data) {
            let entry = unpacked(row);
            if next.is_none_or(|next| entry.key < next) {
                if live(entry).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                continue;
            }
            while let Some(newer) = log.next_if(|newer| newer.key < entry.key)? {
                if live(newer).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            let newest = log.next_if(|newer| newer.key == entry.key)?.unwrap_or(entry);
            if live(newest).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            next = log.peek().map(|newer| newer.key);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if walked.is_break() {
        return Ok(());
    }
    while let Some(newer) = log.next()? {
        if live(newer).is_break() {
            break;
        }
    }
    Ok(())
}
