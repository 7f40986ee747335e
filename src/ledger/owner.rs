//! One thread owns one SQLite file; everybody else hands it work and waits.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use outflow_connectors::rehearsal::point;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::codes;
use super::fault::{self, Attempt, Fault};
use super::file::{self, Stamp};
use super::schema::Schema;
use crate::error::{Error, ErrorKind, Result};

/// How long SQLite waits for a lock that another program holds.
const PATIENCE: Duration = if cfg!(test) { Duration::from_millis(1_000) } else { Duration::from_secs(5) };

type Job = Box<dyn FnOnce(&mut Held) + Send>;

/// What the thread owns.
struct Held {
    conn: Connection,
    /// Set while the file is read as if nobody could write to it: what it looked like at the start.
    quiet: Option<Stamp>,
}

impl std::fmt::Debug for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Owner").field("path", &self.path()).finish_non_exhaustive()
    }
}

/// A handle; the file is closed when the last one is gone, or by [`Owner::close`].
#[derive(Clone)]
pub(super) struct Owner {
    thread: Arc<Thread>,
}

struct Thread {
    path: PathBuf,
    jobs: Mutex<Option<Sender<Job>>>,
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl Owner {
    /// Opens for reading and writing; creates and migrates.
    pub(super) fn open(path: &Path, schema: Schema) -> Result<Owner> {
        if !file::exists(path)? {
            create(path, schema)?;
        }
        let at = path.to_path_buf();
        Self::start(path, move || {
            refuse_empty(&at)?;
            let mut conn = connect(&at, OpenFlags::SQLITE_OPEN_READ_WRITE, "")?;
            schema.migrate(&mut conn, &at)?;
            conn.pragma_update(None, "journal_mode", "WAL")?;
            conn.pragma_update(None, "synchronous", "FULL")?;
            Ok(Held { conn, quiet: None })
        })
    }

    /// Opens for reading only; `None` where there is no file. Creates nothing. Each look sees the newest version.
    pub(super) fn read(path: &Path, schema: Schema) -> Result<Option<Owner>> {
        if !file::exists(path)? {
            return Ok(None);
        }
        let at = path.to_path_buf();
        Self::start(path, move || {
            refuse_empty(&at)?;
            let quiet = Stamp::of(&at);
            let held = Held { conn: connect_to_read(&at, quiet.is_some())?, quiet };
            schema.accept(&held.conn, &at)?;
            Ok(held)
        })
        .map(Some)
    }

    /// As [`read`](Self::read), but every look sees the version that there was at the start, whatever is written
    /// meanwhile.
    pub(super) fn pin(path: &Path, schema: Schema) -> Result<Option<Owner>> {
        if !file::exists(path)? {
            return Ok(None);
        }
        let at = path.to_path_buf();
        Self::start(path, move || {
            refuse_empty(&at)?;
            let held = pinned(&at)?;
            schema.accept(&held.conn, &at)?;
            Ok(held)
        })
        .map(Some)
    }

    fn start(path: &Path, open: impl FnOnce() -> Attempt<Held> + Send + 'static) -> Result<Owner> {
        let (jobs, work) = channel::<Job>();
        let (opened, answer) = sync_channel(1);
        let handle = Builder::new()
            .name("outflow-sqlite".into())
            .spawn(move || {
                let mut held = match open() {
                    Ok(held) => held,
                    Err(fault) => {
                        let _ = opened.send(Err(fault));
                        return;
                    }
                };
                let _ = opened.send(Ok(()));
                while let Ok(job) = work.recv() {
                    job(&mut held);
                }
            })
            .map_err(|error| fault::disk(path, "opened", &error))?;
        let thread = Thread {
            path: path.to_path_buf(),
            jobs: Mutex::new(Some(jobs)),
            handle: Mutex::new(Some(handle)),
        };
        match answer.recv() {
            Ok(Ok(())) => Ok(Owner { thread: Arc::new(thread) }),
            Ok(Err(fault)) => Err(fault.at(path)),
            Err(_) => Err(thread.gone()),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.thread.path
    }

    /// Has the thread do `work` and waits for it.
    pub(super) fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Attempt<T> + Send + 'static,
    ) -> Result<T> {
        self.thread.call(move |held| work(&mut held.conn))
    }

    /// As [`call`](Self::call), for work that only reads, in one transaction; done again if somebody wrote to a file that was taken for quiet.
    pub(super) fn look<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Attempt<T> + Send + 'static,
    ) -> Result<T> {
        let path = self.thread.path.clone();
        self.thread.call(move |held| {
            let found = view(&held.conn, &work);
            if held.quiet.is_none() || held.quiet == Stamp::of(&path) {
                return found;
            }
            if !held.conn.is_autocommit() {
                return Err(Fault::Other(written_meanwhile(&path)));
            }
            held.conn = connect_to_read(&path, false)?;
            held.quiet = None;
            view(&held.conn, &work)
        })
    }

    /// As [`look`](Self::look), without waiting: `work` tells by a way of its own what it found.
    pub(super) fn start_look(&self, work: impl FnOnce(&Connection) + Send + 'static) -> Result<()> {
        self.thread.post(Box::new(move |held| {
            // Where a transaction cannot begin, the first statement of the work fails, too.
            let tx = held.conn.is_autocommit().then(|| held.conn.unchecked_transaction());
            work(&held.conn);
            drop(tx);
        }))
    }

    pub(super) fn gone(&self) -> Error {
        self.thread.gone()
    }

    /// Writes the log back into the file and closes it, so that no `-wal` stays; later calls fail.
    pub(super) fn close(self) -> Result<()> {
        let checkpointed = self.call(|conn| {
            // Readers keep the log alive; it is whole all the same, and not worth waiting for them.
            conn.busy_timeout(Duration::ZERO)?;
            point("close.checkpoint");
            conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            point("close.checkpointed");
            Ok(())
        });
        self.thread.stop();
        point("close.closed");
        checkpointed
    }
}

impl Thread {
    fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Held) -> Attempt<T> + Send + 'static,
    ) -> Result<T> {
        let (done, answer) = sync_channel(1);
        let job: Job = Box::new(move |held| {
            let _ = done.send(work(held));
        });
        self.post(job)?;
        match answer.recv() {
            Ok(result) => result.map_err(|fault| fault.at(&self.path)),
            Err(_) => Err(self.gone()),
        }
    }

    fn post(&self, job: Job) -> Result<()> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        jobs.and_then(|jobs| jobs.send(job).ok()).ok_or_else(|| self.gone())
    }

    fn stop(&self) {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take();
        let handle = self.handle.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(handle) = handle {
            let _ = handle.join();
        }
    }

    fn gone(&self) -> Error {
        Error::new(
            "OF-INT-001",
            ErrorKind::Internal,
            format!("`{}` was used after it had been closed", self.path.display()),
        )
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One consistent view, even beside a run that writes.
fn view<T>(conn: &Connection, work: impl Fn(&Connection) -> Attempt<T>) -> Attempt<T> {
    if !conn.is_autocommit() {
        return work(conn);
    }
    let tx = conn.unchecked_transaction()?;
    work(&tx)
}

fn create(path: &Path, schema: Schema) -> Result<()> {
    file::create_folder(&file::parent(path))?;
    file::create_whole(path, |draft, _| {
        let fill = || -> Attempt<()> {
            let mut conn = connect(draft, OpenFlags::SQLITE_OPEN_READ_WRITE, "")?;
            schema.create(&mut conn)?;
            conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            conn.close().map_err(|(_, error)| Fault::Sql(error))
        };
        fill().map_err(|fault| fault.at(path))
    })
}

/// Brings what the log beside a file holds into the file, whatever that is, and removes the log. Where SQLite cannot read
/// the file, it could not read the log either.
///
/// # Errors
/// `State` while another program reads the file, or when the disk is full.
pub(super) fn fold_log(path: &Path) -> Result<()> {
    if file::exists(path)? {
        match checkpoint(path).map_err(|fault| fault.at(path)) {
            Ok(()) => {}
            Err(error) if [codes::DAMAGED, codes::NOT_OURS].contains(&error.code) => {}
            Err(error) => return Err(error),
        }
    }
    file::remove_log(path)
}

fn checkpoint(path: &Path) -> Attempt<()> {
    let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, "")?;
    let is_read: bool = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if is_read { fault::busy() } else { Ok(()) }
}

/// SQLite takes an empty file for a new database; to us it is one that lost everything.
fn refuse_empty(path: &Path) -> Attempt<()> {
    match std::fs::metadata(path) {
        Ok(file) if file.len() == 0 => fault::damaged("it is empty"),
        Ok(_) => Ok(()),
        Err(error) => Err(Fault::Other(fault::disk(path, "opened", &error))),
    }
}

/// Whether somebody is in the midst of writing to a file, and stays there however long one waits.
pub(super) fn is_locked(path: &Path) -> bool {
    let probe = || -> Attempt<()> {
        let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, "")?;
        Ok(conn.execute_batch("BEGIN IMMEDIATE; ROLLBACK")?)
    };
    matches!(probe(), Err(Fault::Sql(error)) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy))
}

/// A connection within a transaction that has begun to read.
fn pinned(path: &Path) -> Attempt<Held> {
    let begin = |conn: Connection| -> Attempt<Connection> {
        conn.execute_batch("BEGIN; SELECT count(*) FROM sqlite_schema;")?;
        Ok(conn)
    };
    let quiet = Stamp::of(path);
    if quiet.is_some() {
        // Only a connection that may write removes the `-wal` and `-shm` that its locks need.
        let ordinary = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, "").and_then(|conn| {
            conn.pragma_update(None, "query_only", true)?;
            begin(conn)
        });
        if let Ok(conn) = ordinary {
            return Ok(Held { conn, quiet: None });
        }
    }
    Ok(Held { conn: begin(connect_to_read(path, quiet.is_some())?)?, quiet })
}

fn written_meanwhile(path: &Path) -> Error {
    let message =
        format!("a run wrote to `{}` while it was read, and its folder allows no locks", path.display());
    Error::new(codes::BUSY, ErrorKind::State, message).hint("run again once that run has ended")
}

fn connect_to_read(path: &Path, quiet: bool) -> Attempt<Connection> {
    // Without `immutable`, SQLite would leave a `-shm` and a `-wal` beside a file that has neither.
    connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, if quiet { "&immutable=1" } else { "" })
}

fn connect(path: &Path, mode: OpenFlags, options: &str) -> Attempt<Connection> {
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let access = if mode.contains(OpenFlags::SQLITE_OPEN_READ_ONLY) { "ro" } else { "rw" };
    let conn = Connection::open_with_flags(format!("file:{}?mode={access}{options}", uri(path)), flags)?;
    conn.busy_timeout(PATIENCE)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

/// The path as a URI's path: everything but the unreserved is percent-encoded.
fn uri(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut out = String::new();
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    for &byte in absolute.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                out.push(byte as char)
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
