//! The history of runs.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::codes;
use super::entry::RunRecord;
use super::fault::Attempt;
use super::lease;
use super::refusals::{time, time_text};
use super::salt::hex;
use super::state::State;
use super::turns::backfill_of;
use crate::error::{Error, ErrorKind, Result};

const RUNNING: &str = "running";
const INTERRUPTED: &str = "interrupted";
/// Counts of a run that has begun and has sent nothing so far, and those of one that may have sent something.
const UNSENT: &str = r#"{"sent":0}"#;
const UNKNOWN: &str = "{}";
const COLUMNS: &str =
    "run_id, sync, number, target, status, started_at, duration_ms, counts, error, epoch, kind";
/// Kinds of runs.
const SYNC: &str = "sync";
const BACKFILL: &str = "backfill";

impl State {
    /// The number that this sync's next run gets; runs count from 1.
    pub fn next_run_number(&self, sync: &str) -> Result<u64> {
        let sync = sync.to_owned();
        self.owner.look(move |conn| next_number(conn, &sync))
    }

    /// Records that a run has begun, as `running`; returns its id (`20261120T104503Z-4f2a9c`, sorts by time) and number.
    ///
    /// The caller holds the sync's lease: without it the run soon shows as `interrupted`.
    pub fn begin_run(
        &self,
        sync: &str,
        target: Option<&str>,
        started_at: Timestamp,
    ) -> Result<(String, u64)> {
        self.begin((sync, SYNC), target, started_at)
    }

    /// As [`begin_run`](Self::begin_run), for a backfill, under its own lease.
    pub fn begin_backfill(
        &self,
        sync: &str,
        target: Option<&str>,
        started_at: Timestamp,
    ) -> Result<(String, u64)> {
        self.begin((sync, BACKFILL), target, started_at)
    }

    fn begin(
        &self,
        (sync, kind): (&str, &'static str),
        target: Option<&str>,
        started_at: Timestamp,
    ) -> Result<(String, u64)> {
        let mut tail = [0; 3];
        getrandom::fill(&mut tail).map_err(|error| {
            let message = format!("the operating system gives no random numbers: {error}");
            Error::new(codes::FAILED, ErrorKind::State, message)
        })?;
        let run_id = format!("{}-{}", started_at.strftime("%Y%m%dT%H%M%SZ"), hex(&tail));
        let (sync, target, id) = (sync.to_owned(), target.map(str::to_owned), run_id.clone());
        let number = self.write(move |tx| {
            let number = next_number(tx, &sync)?;
            let epoch = lease::epoch(tx, &lease_name(&sync, kind))?;
            tx.execute(
                &format!(
                    "INSERT INTO run ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, '{RUNNING}', ?5, 0, '{UNSENT}', NULL, ?6, ?7)"
                ),
                params![id, sync, number as i64, target, time_text(started_at), epoch as i64, kind],
            )?;
            Ok(number)
        })?;
        Ok((run_id, number))
    }

    /// Records that a run under way may send something from now on: should it never end, nobody knows what it has sent.
    pub fn may_send(&self, sync: &str, number: u64) -> Result<()> {
        let sync = sync.to_owned();
        self.write(move |tx| {
            tx.execute(
                "UPDATE run SET counts = ?3 WHERE sync = ?1 AND number = ?2",
                params![sync, number as i64, UNKNOWN],
            )?;
            Ok(())
        })
    }

    /// Records how a run ended.
    pub fn finish_run(&self, record: &RunRecord) -> Result<()> {
        let run = record.clone();
        self.write(move |tx| {
            tx.execute(
                &format!(
                    "INSERT INTO run ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?10)
                     ON CONFLICT (run_id) DO UPDATE SET status = excluded.status, target = excluded.target,
                         started_at = excluded.started_at, duration_ms = excluded.duration_ms,
                         counts = excluded.counts, error = excluded.error"
                ),
                params![
                    run.run_id,
                    run.sync,
                    run.number as i64,
                    run.target,
                    run.status,
                    time_text(run.started_at),
                    run.duration_ms as i64,
                    run.counts,
                    run.error,
                    run.kind
                ],
            )?;
            Ok(())
        })
    }

    /// The newest runs first, of one sync or of all; those of one by their numbers, which no clock can confuse.
    pub fn runs(&self, sync: Option<&str>, limit: usize) -> Result<Vec<RunRecord>> {
        let (sync, world) = (sync.map(str::to_owned), self.world.clone());
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.owner.look(move |conn| {
            let mut query = conn.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM run WHERE ?1 IS NULL OR sync = ?1
                 ORDER BY CASE WHEN ?1 IS NULL THEN started_at END DESC, number DESC, run_id DESC LIMIT ?2"
            ))?;
            let mut rows = query.query(params![sync, limit])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(read(conn, row, &*world)?);
            }
            Ok(found)
        })
    }

    /// The newest run of a sync, by its number, of those that are meant.
    pub fn newest_run(
        &self,
        sync: &str,
        is_meant: impl Fn(&RunRecord) -> bool + Send + 'static,
    ) -> Result<Option<RunRecord>> {
        let (sync, world) = (sync.to_owned(), self.world.clone());
        self.owner.look(move |conn| {
            let mut query = conn.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM run WHERE sync = ?1 ORDER BY number DESC, run_id DESC"
            ))?;
            let mut rows = query.query([&sync])?;
            while let Some(row) = rows.next()? {
                let run = read(conn, row, &*world)?;
                if is_meant(&run) {
                    return Ok(Some(run));
                }
            }
            Ok(None)
        })
    }

    /// A run by its id, or by the start of its id if that fits one run only; `None` if it fits none.
    ///
    /// # Errors
    /// `Usage` if it fits several.
    pub fn run(&self, run_id: &str) -> Result<Option<RunRecord>> {
        let (wanted, world) = (run_id.to_owned(), self.world.clone());
        self.owner.look(move |conn| {
            let mut query = conn.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM run WHERE substr(run_id, 1, length(?1)) = ?1 ORDER BY run_id LIMIT 2"
            ))?;
            let mut rows = query.query([&wanted])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(read(conn, row, &*world)?);
            }
            match found.as_slice() {
                [first, second] if first.run_id != wanted => Err(Error::new(
                    codes::AMBIGUOUS_RUN,
                    ErrorKind::Usage,
                    format!(
                        "several runs begin with `{wanted}`, such as `{}` and `{}`",
                        first.run_id, second.run_id
                    ),
                )
                .hint("give more of the run's id; `outflow runs` lists them")
                .into()),
                _ => Ok(found.into_iter().next()),
            }
        })
    }

    /// Whether a run of this sync before the one of this number, or a backfill, has sent anything, however it ended; one of
    /// which nobody knows counts.
    pub fn ran_before(&self, sync: &str, number: u64) -> Result<bool> {
        let sync = sync.to_owned();
        self.owner.look(move |conn| {
            let mut query = conn.prepare_cached(
                "SELECT 1 FROM run WHERE sync = ?1 AND number < ?2
                 AND coalesce(json_extract(counts, '$.sent'), 1) > 0 LIMIT 1",
            )?;
            Ok(query.exists(params![sync, number as i64])?)
        })
    }

    /// When the last run that ended `ok` or `partial` ended; a backfill, which may be of some rows only, does not count.
    pub fn last_success(&self, sync: &str) -> Result<Option<Timestamp>> {
        let sync = sync.to_owned();
        self.owner.look(move |conn| {
            let row: Option<(String, i64)> = conn
                .prepare_cached(
                    "SELECT started_at, duration_ms FROM run WHERE sync = ?1 AND kind = 'sync' AND status IN ('ok', 'partial')
                     ORDER BY number DESC LIMIT 1",
                )?
                .query_row([&sync], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let Some((start, millis)) = row else { return Ok(None) };
            let start = time(&start)?;
            Ok(Some(start.checked_add(SignedDuration::from_millis(millis)).unwrap_or(start)))
        })
    }
}

/// The lease that a run of this kind holds while it runs.
fn lease_name(sync: &str, kind: &str) -> String {
    if kind == BACKFILL { backfill_of(sync) } else { sync.to_owned() }
}

fn next_number(conn: &Connection, sync: &str) -> Attempt<u64> {
    let number: i64 = conn
        .prepare_cached("SELECT coalesce(max(number), 0) + 1 FROM run WHERE sync = ?1")?
        .query_row([sync], |row| row.get(0))?;
    Ok(number as u64)
}

fn read(conn: &Connection, row: &Row<'_>, world: &dyn super::world::World) -> Attempt<RunRecord> {
    let mut run = RunRecord {
        run_id: row.get(0)?,
        sync: row.get(1)?,
        kind: row.get(10)?,
        number: row.get::<_, i64>(2)? as u64,
        target: row.get(3)?,
        status: row.get(4)?,
        started_at: time(&row.get::<_, String>(5)?)?,
        duration_ms: row.get::<_, i64>(6)? as u64,
        counts: row.get(7)?,
        error: row.get(8)?,
    };
    let lease = lease_name(&run.sync, &run.kind);
    if run.status == RUNNING && !lease::is_live(conn, &lease, row.get::<_, i64>(9)? as u64, world)? {
        run.status = INTERRUPTED.into();
    }
    Ok(run)
}
