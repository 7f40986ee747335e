//! The requests of every quota's owner, for all processes that share a file: `state.db`, or one that several projects name.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use outflow_connectors::contract::{ConnectorError, Kind, QuotaOwner};
use outflow_connectors::http::{Ask, Facts, Memory, News, QuotaBook, Taken, window};
use rusqlite::{Connection, TransactionBehavior};

use super::fault::Attempt;
use super::file;
use super::owner::Owner;
use super::quota_page::Page;
use super::schema::{QUOTA, STATE, Schema};
use super::state::State;
use super::world::{Machine, World};
use crate::error::Result;

/// A book of requests in an SQLite file. It is opened at the first request, so that a run without any writes nothing.
///
/// Kept durable against a crash of the process but not of the machine: after a boot the windows are empty anyway, and
/// the vendor's own numbers put a day's count right.
pub struct Quotas {
    path: PathBuf,
    schema: Schema,
    access: Access,
    world: Arc<dyn World>,
    boot: String,
    file: OnceLock<Result<Option<Owner>>>,
}

enum Access {
    Write,
    /// Keeps to what others have written, and notes what this process sends in its own memory.
    Read(Memory),
}

impl Quotas {
    /// Those of a state folder.
    pub fn in_folder(dir: &Path) -> Arc<Quotas> {
        Arc::new(Self::new(State::file(dir), STATE, Access::Write, Arc::new(Machine)))
    }

    /// Those of a file that several projects share; made (0600) where there is none.
    ///
    /// # Errors
    /// `State`: the file or its folder cannot be written, or it is something else.
    pub fn shared(path: &Path) -> Result<Arc<Quotas>> {
        let quotas = Self::new(path.to_path_buf(), QUOTA, Access::Write, Arc::new(Machine));
        quotas.open()?;
        Ok(Arc::new(quotas))
    }

    /// The same to look at, for what must change nothing: those of a file, else those of a state folder.
    pub fn read(dir: &Path, shared: Option<&Path>) -> Arc<Quotas> {
        let (path, schema) = match shared {
            Some(path) => (path.to_path_buf(), QUOTA),
            None => (State::file(dir), STATE),
        };
        Arc::new(Self::new(path, schema, Access::Read(Memory::default()), Arc::new(Machine)))
    }

    /// Forgets what a state folder has counted for the owners in whose names this is.
    ///
    /// # Errors
    /// `State`: the file cannot be written.
    pub fn forget(dir: &Path, part: &'static str) -> Result<()> {
        if !State::file(dir).exists() {
            return Ok(());
        }
        let quotas = Self::in_folder(dir);
        let Some(file) = quotas.open()? else { return Ok(()) };
        file.call(move |conn| {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let owners = "SELECT id FROM quota WHERE instr(owner, ?1) > 0";
            for (table, column) in [("quota_day", "quota"), ("quota_sent", "quota"), ("quota", "id")] {
                tx.execute(&format!("DELETE FROM {table} WHERE {column} IN ({owners})"), [part])?;
            }
            Ok(tx.commit()?)
        })?;
        quotas.close()
    }

    /// Closes the file, if it was opened to write, so that no `-wal` stays; it is of no use afterwards.
    ///
    /// # Errors
    /// `State`: the file cannot be written.
    pub fn close(&self) -> Result<()> {
        match (&self.access, self.file.get()) {
            (Access::Write, Some(Ok(Some(file)))) => file.clone().close(),
            _ => Ok(()),
        }
    }

    fn new(path: PathBuf, schema: Schema, access: Access, world: Arc<dyn World>) -> Quotas {
        let boot = world.me().boot;
        Quotas { path, schema, access, world, boot, file: OnceLock::new() }
    }

    #[cfg(test)]
    pub(super) fn with_world(path: &Path, world: Arc<dyn World>) -> Quotas {
        Self::new(path.to_path_buf(), QUOTA, Access::Write, world)
    }

    /// `None` where there is nothing to read.
    fn open(&self) -> Result<Option<Owner>> {
        let open = || match self.access {
            Access::Read(_) => Owner::read(&self.path, self.schema),
            Access::Write => {
                file::create_folder(&file::parent(&self.path))?;
                let owner = Owner::open(&self.path, self.schema)?;
                owner.call(|conn| Ok(conn.pragma_update(None, "synchronous", "NORMAL")?))?;
                Ok(Some(owner))
            }
        };
        self.file.get_or_init(open).clone()
    }

    /// One transaction on an owner's page, with the time read inside it.
    fn write<T: Send + 'static>(
        &self,
        owner: &QuotaOwner,
        work: impl FnOnce(&mut Page<'_>, Duration) -> Attempt<T> + Send + 'static,
    ) -> Result<Option<T>, ConnectorError> {
        let Some(file) = self.open().map_err(wrap)? else { return Ok(None) };
        let (owner, boot, world) = (owner.0.clone(), self.boot.clone(), self.world.clone());
        let done = file.call(move |conn| {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let now = world.since_boot();
            let mut page = Page::open(&tx, &owner, &boot, now)?;
            let done = work(&mut page, now)?;
            tx.commit()?;
            Ok(done)
        });
        done.map(Some).map_err(wrap)
    }

    /// As [`Self::write`] for work that only reads; `None` where the owner has no page.
    fn look<T: Send + 'static>(
        &self,
        owner: &QuotaOwner,
        work: impl Fn(&Page<'_>, Duration) -> Attempt<T> + Send + 'static,
    ) -> Result<Option<T>, ConnectorError> {
        let Some(file) = self.open().map_err(wrap)? else { return Ok(None) };
        let (owner, boot, world) = (owner.0.clone(), self.boot.clone(), self.world.clone());
        let look = move |conn: &Connection| {
            let now = world.since_boot();
            Page::find(conn, &owner, &boot, now)?.map(|page| work(&page, now)).transpose()
        };
        file.look(look).map_err(wrap)
    }
}

impl QuotaBook for Quotas {
    fn take(&self, owner: &QuotaOwner, ask: &Ask) -> Result<Taken, ConnectorError> {
        let wanted = ask.clone();
        let Access::Read(own) = &self.access else {
            let taken = self.write(owner, move |page, now| take(page, &wanted, now))?;
            return taken
                .ok_or_else(|| ConnectorError::new(Kind::Internal, "the book of requests is not open"));
        };
        let seen = self.look(owner, move |page, now| {
            if let Err(spent) = page.day(wanted.date)?.take(wanted.budget, now) {
                return Ok(Some(Taken::Spent(spent)));
            }
            Ok(window::wait(page, &wanted.rules, now)?.map(Taken::Wait))
        })?;
        match seen.flatten() {
            Some(no) => Ok(no),
            None => own.take(owner, ask),
        }
    }

    fn report(&self, owner: &QuotaOwner, news: &News) -> Result<(), ConnectorError> {
        if let Access::Read(own) = &self.access {
            return own.report(owner, news);
        }
        let news = news.clone();
        self.write(owner, move |page, now| note(page, &news, now)).map(drop)
    }

    fn sent_within(&self, owner: &QuotaOwner, time: Duration) -> Result<u32, ConnectorError> {
        let ours = match &self.access {
            Access::Read(own) => own.sent_within(owner, time)?,
            Access::Write => 0,
        };
        let all = self.look(owner, move |page, now| window::sent_since(page, now.saturating_sub(time)))?;
        Ok(all.unwrap_or(0) + ours)
    }

    fn facts(&self, owner: &QuotaOwner) -> Result<Facts, ConnectorError> {
        Ok(self.look(owner, |page, _| Ok(page.facts().clone()))?.unwrap_or_default())
    }

    fn now(&self) -> Duration {
        match &self.access {
            Access::Read(own) => own.now(),
            Access::Write => self.world.since_boot(),
        }
    }

    fn postpone(&self, owner: &QuotaOwner, entry: &window::Entry) -> Result<Duration, ConnectorError> {
        if let Access::Read(own) = &self.access {
            return own.postpone(owner, entry);
        }
        let entry = *entry;
        let left = self.write(owner, move |page, now| window::postpone(page, &entry, now).map(|()| now))?;
        Ok(left.unwrap_or(entry.at))
    }
}

impl std::fmt::Debug for Quotas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Quotas").field("path", &self.path).finish_non_exhaustive()
    }
}

fn take(page: &mut Page<'_>, ask: &Ask, now: Duration) -> Attempt<Taken> {
    let mut day = page.day(ask.date)?;
    if let Err(spent) = day.take(ask.budget, now) {
        return Ok(Taken::Spent(spent));
    }
    if let Some(wait) = window::wait(page, &ask.rules, now)? {
        return Ok(Taken::Wait(wait));
    }
    let entry = window::enter(page, &ask.rules, now)?;
    page.set_day(ask.date, &day)?;
    Ok(Taken::Go(entry, day))
}

fn note(page: &mut Page<'_>, news: &News, now: Duration) -> Attempt<()> {
    match news {
        News::Refused { asked, window } => window::refuse(page, *asked, *window, now),
        News::Full(time) => window::hold(page, *time, now),
        News::Left { date, remaining, budget } => {
            let mut day = page.day(*date)?;
            if !day.is_news(*remaining, *budget) {
                return Ok(());
            }
            day.follow(*remaining, now);
            page.set_day(*date, &day)
        }
        News::Announced(calls) => {
            let facts = Facts { announced: Some(*calls), ..page.facts().clone() };
            page.set_facts(facts)
        }
        News::Zone(zone) => {
            let facts = Facts { zone: Some(zone.clone()), ..page.facts().clone() };
            page.set_facts(facts)
        }
    }
}

/// Carried through the connector as it is; [`Error::destination`](crate::error::Error::destination) takes it out again.
fn wrap(error: crate::error::Error) -> ConnectorError {
    ConnectorError::new(Kind::Internal, error.message.clone()).source(error)
}
