//! The source's side of a run: which rows are read, and what takes them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::task::block_in_place;

use super::bookkeeping;
use super::check::DataTests;
use super::context::Context;
use super::cursor::{Circumstances, Pass, Stand, Track, origin};
use super::diff::{Baseline, Delta, Differ};
use super::extract::{Intake, extract};
use super::map::Mapper;
use super::query;
use super::recover::Recovered;
use super::run::{Work, defect};
use super::spec::MappingSpec;
use super::spool::Space;
use crate::error::{Error, Result};
use crate::ledger::{By, Ledger, Tags};
use crate::project::OnDelete;

impl Work<'_> {
    /// All rows are read where the mark of the cursor cannot be all that matters.
    pub(super) fn choose(&self, recovered: &Recovered) -> Result<Pass> {
        let rekeys = block_in_place(|| self.rekeys(self.state.ledger.as_ref()))?;
        let circumstances = Circumstances {
            all: self.full_refresh || !recovered.dirty.is_empty() || rekeys,
            now: Timestamp::now(),
            mapping: self.making(),
            origin: self.origin(),
        };
        let ledger = self.state.ledger.as_ref();
        block_in_place(|| Pass::choose(self.context.sync, ledger, &circumstances))
    }

    /// A column can have another type inside of another query, as SQLite's have that come out of a `union`: a value would be
    /// another one by the way it is read. Then all rows are, and that is said.
    pub(super) async fn same_columns(&self) -> Result<Option<String>> {
        if !self.pass().is_part() {
            return Ok(None);
        }
        let (sync, schema) = (self.context.sync, &self.resolved.schema);
        let part = self.pass().query(sync, schema, self.context.dialect())?;
        let shape = self.context.unless_stopped(async {
            let shape = self.source.shape(&part).await;
            shape.map_err(|error| Error::source(&error).at(sync.source.location.clone()))
        });
        let shape = shape.await?;
        let other = shape.columns.iter().zip(&schema.columns).find(|(part, whole)| part != whole);
        let Some((column, _)) = other else { return Ok(None) };
        self.read_whole();
        Ok(Some(format!(
            "all rows were read in spite of the cursor: `{}` has another type where a part of the query is read; cast it in the query",
            column.name
        )))
    }

    fn origin(&self) -> String {
        let sync = self.context.sync;
        origin(sync, self.context.project.connections.get(&sync.source.connection))
    }

    /// Which rows this run reads.
    pub(super) fn pass(&self) -> &Pass {
        if self.whole.load(Relaxed) { &Pass::Full } else { &self.pass }
    }

    /// Has all rows read after all.
    pub(super) fn read_whole(&self) {
        self.whole.store(true, Relaxed);
    }

    /// What moving the mark needs to know.
    pub(super) fn stand(&self) -> Stand {
        Stand { mapping: self.making(), origin: self.origin(), begun: self.begun }
    }

    fn mapper(&self, spec: Arc<MappingSpec>) -> Option<Mapper> {
        let catalog = &self.resolved.connected.catalog;
        let normalise = self.resolved.normalise.clone();
        Mapper::bind(spec, &self.resolved.schema, catalog, self.hasher.clone(), normalise).ok()
    }

    pub(super) fn baseline(&self, recovered: &Recovered) -> Result<Baseline> {
        self.baseline_of(self.state.ledger.as_ref(), recovered)
    }

    /// What rows are held against, as this ledger has it.
    pub(super) fn baseline_of(&self, ledger: Option<&Ledger>, recovered: &Recovered) -> Result<Baseline> {
        let full_refresh = self.full_refresh;
        // Where every row is sent none is looked up.
        let asked = ledger.filter(|_| !full_refresh);
        let is_stated = self.is_stated(ledger)?;
        let rekeys =
            self.open.is_some() && asked.is_some() && !self.pass().is_part() && self.rekeys(ledger)?;
        // What leaves while the source is read must be known to have changed, and what is held against older mappings
        // has another source hash.
        let by_source = is_stated && !rekeys && self.mappings.previous.is_empty() && !self.streams();
        let by = if by_source { By::Source } else { By::Fingerprint };
        let tags = block_in_place(|| asked.map(|ledger| ledger.tags(by)).transpose())?;
        let tags = tags.unwrap_or_else(Tags::empty);
        Ok(Baseline {
            rekeys,
            restates: self.restates() && asked.is_some() && !is_stated,
            tags,
            dirty: recovered.dirty.clone(),
            mode: self.context.sync.mode,
            full_refresh,
            backfill: false,
            part: self.pass().is_part(),
            tracked: false,
        })
    }

    /// Whether the ledger has the source hashes of its entries as this run makes them.
    fn is_stated(&self, ledger: Option<&Ledger>) -> Result<bool> {
        let noted = ledger.map(|ledger| ledger.note(bookkeeping::SOURCE_HASHES)).transpose()?.flatten();
        let mapper = self.mapper(self.resolved.spec.clone()).ok_or_else(defect)?;
        Ok(noted.is_some_and(|noted| noted == mapper.circumstances()))
    }

    /// Whether the ledger may lack destination keys that removals need, of rows delivered while nothing was to be removed.
    fn rekeys(&self, ledger: Option<&Ledger>) -> Result<bool> {
        match ledger.filter(|_| self.context.sync.on_delete != OnDelete::Ignore) {
            Some(ledger) => Ok(ledger.note(bookkeeping::DESTINATION_KEYS)?.is_none()),
            None => Ok(false),
        }
    }

    /// Whether this run may give the ledger the source hashes of all its rows: it reads them all, and sends none before.
    pub(super) fn restates(&self) -> bool {
        self.open.is_some() && !self.pass().is_part() && !self.streams()
    }

    /// Reads the source to its end and holds it against the ledger; the second part is a failed data test. `None` where
    /// destination keys have to be tracked, and were not.
    pub(super) async fn extract(
        &self,
        baseline: Baseline,
        space: &Space,
    ) -> Result<Option<(Delta, Option<Error>)>> {
        let mut intake = self.intake(baseline, space)?;
        self.read(&mut intake).await?;
        if intake.differ.must_track() {
            return Ok(None);
        }
        intake.finish(self.state.ledger.as_ref()).map(Some)
    }

    /// Takes the rows of an extract, and holds them against the ledger.
    pub(super) fn intake(&self, baseline: Baseline, space: &Space) -> Result<Intake<'_>> {
        let Context { sync, cancel, observer, .. } = *self.context;
        let mapper = self.mapper(self.resolved.spec.clone()).ok_or_else(defect)?;
        let previous: Vec<Mapper> =
            self.mappings.previous.iter().filter_map(|s| self.mapper(Arc::new(s.clone()))).collect();
        let schema = &self.resolved.schema;
        let timezone = sync.source.timezone.as_deref().and_then(|name| TimeZone::get(name).ok());
        let mut tests = DataTests::bind(&sync.tests, schema, timezone).map_err(Error::all)?;
        if let (Pass::Since(_), Some(cursor)) = (self.pass(), &sync.source.cursor) {
            tests.only_part(&cursor.column);
        }
        let track =
            sync.source.cursor.as_ref().map(|cursor| Track::new(cursor, schema, space)).transpose()?;
        let mappers = previous.iter().chain([&mapper]);
        let needed = mappers.flat_map(|m| m.columns(schema)).chain(tests.columns());
        let needed = needed.chain(track.as_ref().map(Track::column)).collect::<BTreeSet<_>>();
        let needed = needed.into_iter().collect();
        let differ = Differ::new(baseline, mapper, previous, space)?;
        let comparing = VecDeque::new();
        let query = self.pass().query(sync, schema, self.context.dialect())?;
        Ok(Intake { sync, query, differ, tests, track, observer, cancel, needed, comparing, stopped: None })
    }

    /// Reads the source to its end.
    pub(super) async fn read(&self, intake: &mut Intake<'_>) -> Result<()> {
        let run = self.open.map(|open| open.run_id.as_str()).zip(self.state.ledger.as_ref());
        let context = query::context(self.context.sync, run)?;
        let reading = extract(&self.source, &context, intake, &self.resolved.schema);
        let read = self.context.unless_stopped(reading).await;
        query::ended(&*self.source, run.map(|(_, ledger)| ledger), read).await
    }

    /// What reading the rows cost, where it costs something.
    pub(super) async fn cost(&self) -> Result<Option<String>> {
        let sync = self.context.sync;
        let query = self.pass().query(sync, &self.resolved.schema, self.context.dialect())?;
        let cost = query::cost(&*self.source, &query).await;
        cost.map_err(|error| Error::source(&error).at(sync.source.location.clone()))
    }
}
