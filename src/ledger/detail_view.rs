//! Table and log of details seen as one. The newest detail that was logged of each key is in a temporary table of the
//! connection, and a temporary view named `detail` hides the real table: it shows the rows of both, and the logged one of a
//! key that has two. So nobody has to fold a log to look at it, and who only reads need not copy the table. What writes to
//! the table says `main.detail`.

use std::ops::Range;

use rusqlite::Connection;

use super::detail_log::{self, Logged, lock};
use super::detail_row::COLUMNS;
use super::fault::{Attempt, damaged};
use super::store::Ledger;
use crate::error::Result;

/// Sequence numbers of the rows of the log that are in the view.
pub(super) type Shown = Range<u64>;

impl Ledger {
    /// Looks at `detail` as it is with all that was logged; `is_due` tells whether what is looked for may be among what the
    /// view does not show yet.
    pub(super) fn look_at_details<T: Send + 'static>(
        &self,
        is_due: impl FnOnce(&Logged) -> bool,
        work: impl Fn(&Connection) -> Attempt<T> + Send + 'static,
    ) -> Result<T> {
        self.show_details(is_due)?;
        let reads_only = self.term.is_none();
        self.owner.look(move |conn| {
            if reads_only {
                show_to_reader(conn)?;
            }
            work(conn)
        })
    }

    /// Brings the view up to the end of the log, if that `is_due`; nothing in a ledger that is only read. Where there is no
    /// room for it the log is folded.
    pub(super) fn show_details(&self, is_due: impl FnOnce(&Logged) -> bool) -> Result<()> {
        // The owning thread locks it, too, so it must be free again before that thread is asked for anything.
        let is_due = is_due(&lock(&self.logged));
        let Some(term) = self.term.filter(|_| is_due) else { return Ok(()) };
        let logged = self.logged.clone();
        self.owner.call(move |conn| {
            let mut logged = lock(&logged);
            match shown(conn, logged.shown.clone()) {
                Ok(shown) => logged.show(shown),
                Err(fault) if fault.is_for_want_of_room() => {
                    tracing::debug!(?fault, "the log of details is folded: there is no room to show it");
                    logged.fold(conn, term)?;
                }
                Err(fault) => return Err(fault),
            }
            Ok(())
        })
    }
}

/// As [`follow`], in a transaction of its own: what another one rolled back would be taken for shown.
fn shown(conn: &mut Connection, shown: Option<Shown>) -> Attempt<Option<Shown>> {
    let tx = conn.transaction()?;
    let shown = follow(&tx, shown)?;
    tx.commit()?;
    Ok(shown)
}

/// As [`follow`], once, within the transaction in which a ledger is read. One of version 1 has no log.
fn show_to_reader(conn: &Connection) -> Attempt<()> {
    if is_there(conn)? || !detail_log::exists(conn)? {
        return Ok(());
    }
    let (first, next) = detail_log::bounds(conn)?;
    if first == next {
        return Ok(());
    }
    let query_only: bool = conn.pragma_query_value(None, "query_only", |row| row.get(0))?;
    conn.pragma_update(None, "query_only", false)?;
    let made = follow(conn, None);
    conn.pragma_update(None, "query_only", query_only)?;
    made.map(|_| ())
}

fn is_there(conn: &Connection) -> Attempt<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM temp.sqlite_schema WHERE name = 'detail')";
    Ok(conn.query_row(sql, [], |row| row.get(0))?)
}

/// Brings the view up to the end of the log, and returns what it shows then; there is none where nothing is logged. The
/// caller's transaction must last.
fn follow(conn: &Connection, shown: Option<Shown>) -> Attempt<Option<Shown>> {
    let (first, next) = detail_log::bounds(conn)?;
    match shown {
        Some(shown) if shown == (first..next) => {}
        Some(shown) if shown.start == first => take_in(conn, shown.end)?,
        // Made anew: what was folded meanwhile may be hidden by what was logged before it.
        _ => {
            remove(conn)?;
            if first == next {
                return Ok(None);
            }
            make(conn, first)?;
        }
    }
    Ok(Some(first..next))
}

fn make(conn: &Connection, first: u64) -> Attempt<()> {
    // As table `detail` and its index are; `deleted` where a key has no detail any more, whatever the table says.
    conn.execute_batch(&made_as(conn, "detail", "CREATE TABLE temp.recent")?)?;
    conn.execute_batch("ALTER TABLE temp.recent ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0")?;
    take_in(conn, first)?;
    let index = made_as(conn, "detail_by_destination", "CREATE INDEX temp.recent_by_destination ON recent")?;
    conn.execute_batch(&index)?;
    // Last, so that where it is, all is there.
    let view = format!(
        "CREATE TEMP VIEW detail AS SELECT {COLUMNS} FROM main.detail AS d \
         WHERE NOT EXISTS (SELECT 1 FROM temp.recent AS r WHERE r.key = d.key) \
         UNION ALL SELECT {COLUMNS} FROM temp.recent WHERE deleted = 0"
    );
    Ok(conn.execute_batch(&view)?)
}

/// What made something of the ledger, with another beginning up to its first bracket.
fn made_as(conn: &Connection, name: &str, beginning: &str) -> Attempt<String> {
    let query = "SELECT sql FROM main.sqlite_schema WHERE name = ?1";
    let sql: String = conn.query_row(query, [name], |row| row.get(0))?;
    match sql.split_once('(') {
        Some((_, rest)) => Ok(format!("{beginning} ({rest}")),
        None => damaged(format!("`{name}` was not made by outflow")),
    }
}

/// Takes in what was logged in the rows from `from` on.
fn take_in(conn: &Connection, from: u64) -> Attempt<()> {
    let mut newest = detail_log::newest(conn, from)?;
    let mut put = conn.prepare_cached(&format!(
        "INSERT OR REPLACE INTO temp.recent ({COLUMNS}, deleted) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0)"
    ))?;
    let mut delete = conn.prepare_cached(
        "INSERT OR REPLACE INTO temp.recent (key, gone, destination_hash, sum, deleted) \
         VALUES (?1, 0, 0, 0, 1)",
    )?;
    while let Some(logged) = newest.next()? {
        match logged.kept()? {
            Some(kept) => kept.execute(&logged.key, &mut put)?,
            None => delete.execute([&logged.key.0[..]])?,
        };
    }
    Ok(())
}

/// Has the table seen as it is.
pub(super) fn remove(conn: &Connection) -> Attempt<()> {
    Ok(conn.execute_batch("DROP VIEW IF EXISTS temp.detail; DROP TABLE IF EXISTS temp.recent")?)
}

/// Of the table only those rows are looked up whose keys were logged, too.
const COUNT: &str = "SELECT (SELECT count(*) FROM main.detail)
    + (SELECT count(*) FROM temp.recent WHERE deleted = 0)
    - (SELECT count(*) FROM temp.recent AS r CROSS JOIN main.detail AS d ON d.key = r.key)";

/// Number of details.
pub(super) fn count(conn: &Connection) -> Attempt<u64> {
    let sql = if is_there(conn)? { COUNT } else { "SELECT count(*) FROM main.detail" };
    let details: i64 = conn.query_row(sql, [], |row| row.get(0))?;
    Ok(details.max(0) as u64)
}
