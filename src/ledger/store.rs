//! The ledger of one sync: opening, closing, and what of it is small.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use outflow_connectors::rehearsal::point;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::codes;
use super::compact;
use super::detail_log::{self, Logged};
use super::dirty::Dirty;
use super::entry::{Identity, KeyHash, MappingVersion, RecordHash};
use super::fault::{Attempt, Fault, damaged};
use super::file;
use super::lease::Lease;
use super::meta;
use super::owner::Owner;
use super::packed;
use super::salt::Salt;
use super::schema::{self, LEDGER};
use super::sum::Sum;
use super::tags::{By, Tags};
use crate::error::{Error, ErrorKind, Result};

const IDENTITY: &str = "ledger.identity";
pub(super) const SALT_NOTE: &str = "ledger.salt";
const NOTE: &str = "run.";

/// What one destination has acknowledged for one sync. A handle: clones share one file and one thread; calls block.
#[derive(Clone)]
pub struct Ledger {
    pub(super) owner: Owner,
    /// `None` for reading.
    pub(super) term: Option<Term>,
    /// Read when it is first needed, and again after a write that failed.
    dirty: Arc<Mutex<Option<Dirty>>>,
    pub(super) logged: Arc<Mutex<Logged>>,
}

/// Under which right a ledger is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Term {
    /// Of the lease it was opened with; stored with the first write, so that a run without one costs none.
    pub(super) epoch: u64,
    /// SQLite's count of what other connections have written, at the time.
    version: i64,
}

impl Ledger {
    /// `ledger/<sync>.db` in the state folder; what doesn't belong in a file name is percent-encoded.
    pub fn path(state_dir: &Path, sync: &str) -> PathBuf {
        let mut name = String::new();
        for (i, byte) in sync.bytes().enumerate() {
            match byte {
                b'.' if i > 0 => name.push('.'),
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(byte as char),
                _ => name.push_str(&format!("%{byte:02X}")),
            }
        }
        state_dir.join("ledger").join(name + ".db")
    }

    /// Opens for writing under a lease; creates the file where there is none, migrates an older one.
    ///
    /// Checks the header, the tables, and that no part or log row is missing; a file of up to 16 MB as a whole. The
    /// checksum of each part, log row and detail is checked whenever it is read.
    ///
    /// # Errors
    /// `Locked` if a run with a newer lease opened it meanwhile; `State` for a file that is damaged, of a newer
    /// version, or not a ledger. Such a file is left as it is.
    pub fn open(path: &Path, lease: &Lease) -> Result<Ledger> {
        if !file::exists(path)? {
            // What a ledger that somebody has removed left beside it.
            file::create_folder(&file::parent(path))?;
            file::remove_log(path)?;
        }
        let ledger = Self::open_at(path, lease.epoch())?;
        if lease.took_over() {
            // From here on the run before can write no more, if there still is one.
            ledger.write(|_| Ok(()))?;
        }
        Ok(ledger)
    }

    pub(super) fn open_at(path: &Path, epoch: u64) -> Result<Ledger> {
        let owner = Owner::open(path, LEDGER)?;
        let file = path.to_path_buf();
        owner.look(move |conn| check(conn, &file))?;
        let term = owner.call(move |conn| {
            let theirs = meta::get(conn, meta::EPOCH)?;
            match theirs > epoch {
                true => Err(Fault::Overtaken { mine: epoch, theirs }),
                false => Ok(Term { epoch, version: version(conn)? }),
            }
        })?;
        // From here on it is known what the log of details holds.
        let logged = owner.call(move |conn| Logged::left(conn, term))?;
        Ok(Self::new(owner, Some(term), logged))
    }

    fn new(owner: Owner, term: Option<Term>, logged: Logged) -> Ledger {
        Ledger { owner, term, dirty: Arc::default(), logged: Arc::new(Mutex::new(logged)) }
    }

    /// Opens for reading only, beside a run if there is one; `None` where there is no ledger. All calls see the ledger
    /// as it was when it was opened. Changes nothing, and leaves nothing behind; every call that writes fails.
    pub fn read(path: &Path) -> Result<Option<Ledger>> {
        let Some(owner) = Owner::pin(path, LEDGER)? else { return Ok(None) };
        let file = path.to_path_buf();
        owner.look(move |conn| check(conn, &file))?;
        Ok(Some(Self::new(owner, None, Logged::default())))
    }

    /// The epoch of the lease that opened a ledger last; `None` where that cannot be told.
    pub(super) fn epoch_of(path: &Path) -> Option<u64> {
        let owner = Owner::read(path, LEDGER).ok()??;
        owner.look(|conn| meta::get(conn, meta::EPOCH)).ok()
    }

    /// Runs `work` in one transaction that fails if another run took over.
    pub(super) fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Attempt<T> + Send + 'static,
    ) -> Result<T> {
        let term = self.writable()?;
        self.owner.call(move |conn| write(conn, term, work))
    }

    /// As [`write`](Self::write), for work on the open batches.
    pub(super) fn write_journal<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Transaction<'_>, &mut Dirty) -> Attempt<T> + Send + 'static,
    ) -> Result<T> {
        let (term, held) = (self.writable()?, self.dirty.clone());
        self.owner.call(move |conn| {
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            // Taken out, so that it is read anew if this fails.
            let mut dirty = held.take();
            let done = write(conn, term, |tx| {
                let mut known = dirty.take().map_or_else(|| Dirty::load(tx), Ok)?;
                let done = work(tx, &mut known)?;
                dirty = Some(known);
                Ok(done)
            })?;
            *held = dirty;
            Ok(done)
        })
    }

    pub(super) fn writable(&self) -> Result<Term> {
        self.term.ok_or_else(|| {
            let file = self.owner.path().display();
            Error::new("OF-INT-001", ErrorKind::Internal, format!("`{file}` was opened for reading only"))
        })
    }

    /// Whose acknowledgements these are; `None` before the first run.
    pub fn identity(&self) -> Result<Option<Identity>> {
        self.owner.look(|conn| match meta::note(conn, IDENTITY)? {
            Some(text) => match serde_json::from_str(&text) {
                Ok(identity) => Ok(Some(identity)),
                Err(_) => damaged("its identity is unreadable"),
            },
            None => Ok(None),
        })
    }

    pub fn set_identity(&self, identity: &Identity) -> Result<()> {
        let text = serde_json::to_string(identity)
            .map_err(|error| Error::new("OF-INT-001", ErrorKind::Internal, error.to_string()))?;
        self.write(move |tx| meta::set_note(tx, IDENTITY, Some(&text)))
    }

    /// Binds a new ledger to the salt its hashes are made with; refuses a ledger made with another one, where every
    /// row would look new and every object gone.
    pub fn bind_salt(&self, salt: &Salt) -> Result<()> {
        let mark = salt.fingerprint();
        let known = self.owner.look(|conn| meta::note(conn, SALT_NOTE))?;
        match known {
            Some(known) if known == mark => Ok(()),
            Some(_) => Err(Error::new(
                codes::SALT,
                ErrorKind::State,
                format!(
                    "`{}` was made with another salt than the one in `salt`",
                    self.owner.path().display()
                ),
            )
            .hint("put the file `salt` of the state folder back from a backup; nothing was sent")),
            None if self.term.is_none() => Ok(()),
            None => self.write(move |tx| meta::set_note(tx, SALT_NOTE, Some(&mark))),
        }
    }

    /// Mappings under which its fingerprints were made, oldest first; the last is current.
    pub fn mappings(&self) -> Result<Vec<MappingVersion>> {
        self.owner.look(|conn| {
            let mut query = conn.prepare_cached("SELECT seq, hash, spec, sum FROM mapping ORDER BY seq")?;
            let mut rows = query.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let version = MappingVersion { hash: row.get(1)?, spec: row.get(2)? };
                if row.get::<_, i64>(3)? != mapping_sum(row.get(0)?, &version) {
                    return damaged("a mapping has a wrong checksum");
                }
                found.push(version);
            }
            Ok(found)
        })
    }

    /// Makes a mapping the current one; a known one moves to the end.
    pub fn add_mapping(&self, mapping: &MappingVersion) -> Result<()> {
        let mapping = mapping.clone();
        self.write(move |tx| {
            let seq: i64 =
                tx.query_row("SELECT coalesce(max(seq), 0) + 1 FROM mapping", [], |row| row.get(0))?;
            tx.execute("DELETE FROM mapping WHERE hash = ?1", [&mapping.hash])?;
            tx.execute(
                "INSERT INTO mapping (seq, hash, spec, sum) VALUES (?1, ?2, ?3, ?4)",
                params![seq, mapping.hash, mapping.spec, mapping_sum(seq, &mapping)],
            )?;
            Ok(())
        })
    }

    /// Forgets every mapping but one, which must be known.
    pub fn retire_mappings(&self, keep_hash: &str) -> Result<()> {
        let keep = keep_hash.to_owned();
        self.write(move |tx| {
            let known: i64 =
                tx.query_row("SELECT count(*) FROM mapping WHERE hash = ?1", [&keep], |row| row.get(0))?;
            if known != 1 {
                let message = format!("mapping `{keep}` isn't in the ledger, so the others stay");
                return Err(Error::new("OF-INT-001", ErrorKind::Internal, message).into());
            }
            tx.execute("DELETE FROM mapping WHERE hash <> ?1", [&keep])?;
            Ok(())
        })
    }

    /// A short text that one run leaves for the next: the query's hash, a pending full refresh.
    pub fn note(&self, name: &str) -> Result<Option<String>> {
        let name = format!("{NOTE}{name}");
        self.owner.look(move |conn| meta::note(conn, &name))
    }

    pub fn set_note(&self, name: &str, value: Option<&str>) -> Result<()> {
        let (name, value) = (format!("{NOTE}{name}"), value.map(str::to_owned));
        self.write(move |tx| meta::set_note(tx, &name, value.as_deref()))
    }

    /// The live entries in memory, about 8.8 bytes each, found by key and one half of the record hash.
    pub fn tags(&self, by: By) -> Result<Tags> {
        self.owner.look(move |conn| {
            let rows = meta::get(conn, meta::ENTRIES)? + packed::log_len(conn)?;
            Tags::load(conn, rows, by)
        })
    }

    /// Number of live entries; reads them all.
    pub fn entries(&self) -> Result<u64> {
        self.owner.look(|conn| {
            let mut live = 0;
            packed::each_live(conn, |_| {
                live += 1;
                ControlFlow::Continue(())
            })?;
            Ok(live)
        })
    }

    /// The destination has the same content, under another fingerprint: logs it, and replaces the details given.
    pub fn rebase(&self, entries: &[(KeyHash, RecordHash, Option<super::Detail>)]) -> Result<()> {
        self.fold_details(|logged| logged.is_full(entries.len()))?;
        let moved: Vec<_> =
            entries.iter().map(|(key, record, _)| packed::Entry { key: *key, record: *record }).collect();
        let details: Vec<_> = entries
            .iter()
            .filter_map(|(key, _, detail)| Some((*key, Some(Box::new(detail.clone()?)))))
            .collect();
        let logged = self.logged.clone();
        self.write(move |tx| {
            packed::append(tx, "", &moved)?;
            detail_log::lock(&logged).take(tx, details)
        })
    }

    /// The same records, made of other cells: logs their source hashes, and leaves their details alone.
    pub fn restate(&self, entries: &[(KeyHash, RecordHash)]) -> Result<()> {
        let entries: Vec<_> =
            entries.iter().map(|(key, record)| packed::Entry { key: *key, record: *record }).collect();
        self.write(move |tx| packed::append(tx, "", &entries))
    }

    /// Folds the log into the parts once it has passed 2 % of the rows, and that of details into their table once it has
    /// passed a sixteenth, or 32 MB; a crash on the way loses nothing.
    pub fn compact(&self) -> Result<()> {
        let term = self.writable()?;
        let is_due = self.owner.look(detail_log::is_due)?;
        self.fold_details(|_| is_due)?;
        self.owner.call(move |conn| match compact::is_due(conn)? {
            true => compact::compact(conn, term, || ControlFlow::Continue(())),
            false => Ok(()),
        })
    }

    /// Closes the file, so that no `-wal` stays; other handles to it are of no use afterwards.
    pub fn close(self) -> Result<()> {
        match self.term {
            Some(_) => self.owner.close(),
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("path", &self.owner.path()).field("term", &self.term).finish()
    }
}

/// One transaction, unless another run came in between.
pub(super) fn write<T>(
    conn: &mut Connection,
    term: Term,
    work: impl FnOnce(&Transaction<'_>) -> Attempt<T>,
) -> Attempt<T> {
    point("ledger.begin");
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (mine, theirs) = (term.epoch, meta::get(&tx, meta::EPOCH)?);
    if theirs > mine {
        return Err(Fault::Overtaken { mine, theirs });
    }
    if theirs < mine {
        // The first write of this run: what it has read must still be all there is.
        if version(&tx)? != term.version {
            return Err(Fault::Overtaken { mine, theirs });
        }
        meta::set(&tx, meta::EPOCH, mine)?;
    }
    let done = work(&tx)?;
    point("ledger.commit");
    tx.commit()?;
    point("ledger.committed");
    Ok(done)
}

fn version(conn: &Connection) -> Attempt<i64> {
    Ok(conn.pragma_query_value(None, "data_version", |row| row.get(0))?)
}

fn mapping_sum(seq: i64, mapping: &MappingVersion) -> i64 {
    Sum::new().int(seq).text(&mapping.hash).text(&mapping.spec).finish()
}

fn check(conn: &Connection, file: &Path) -> Attempt<()> {
    meta::get(conn, meta::EPOCH)?;
    meta::check(conn)?;
    packed::check_counts(conn)?;
    detail_log::check_counts(conn)?;
    if !schema::check_small(conn, file)? {
        return Ok(());
    }
    detail_log::check(conn)?;
    packed::each_live(conn, |_| ControlFlow::Continue(()))
}
