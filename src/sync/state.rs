//! The state a run works on: ledger, lease and history for a real one, the same read-only for a preview.

use jiff::Timestamp;
use outflow_connectors::rehearsal::point;
use tokio::task::block_in_place;

use super::Allow;
use super::context::Context;
use super::diff::Delta;
use super::known::Memory;
use super::spec::MappingSpec;
use super::turns;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{Identity, Lease, Ledger, MappingVersion, Salt, State};
use crate::project::{Mode, Sync};

/// What one run reads, and writes if it is no preview.
pub struct RunState {
    /// `None` for a preview where no run has been.
    pub ledger: Option<Ledger>,
    pub salt: Salt,
    /// Of all syncs; `None` for a preview where no run has been.
    pub history: Option<State>,
    pub run_number: u64,
    /// Earlier runs of this sync have sent something, or may have.
    pub ran_before: bool,
}

/// A run on record, with the lease that keeps others out.
pub struct OpenRun {
    pub state: State,
    pub lease: Lease,
    pub run_id: String,
    pub number: u64,
}

impl OpenRun {
    /// Takes the lease and puts the run on record.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] when another run holds the sync; [`ErrorKind::State`] for a folder that cannot be used.
    pub async fn begin(context: &Context<'_>, started_at: Timestamp) -> Result<Self> {
        let (project, sync) = (context.project, context.sync);
        let state = block_in_place(|| State::open(&project.state))?;
        point("run.opened");
        let lease = turns::for_run(context, &state).await?;
        point("run.leased");
        let begun = block_in_place(|| state.begin_run(&sync.name, project.target.as_deref(), started_at));
        let (run_id, number) = begun?;
        point("run.begun");
        Ok(OpenRun { state, lease, run_id, number })
    }
}

impl RunState {
    /// Opens the ledger for writing, under the run's lease.
    ///
    /// # Errors
    /// [`ErrorKind::Held`] where it is missing and must not be; [`ErrorKind::State`] where it cannot be used.
    pub fn write(context: &Context<'_>, open: &OpenRun) -> Result<Self> {
        let (project, sync) = (context.project, context.sync);
        let path = Ledger::path(&project.state, &sync.name);
        let ran_before = open.state.ran_before(&sync.name, open.number)?;
        // Before there is a new one, which the next run would take for the one that is missing.
        if ran_before && !path.exists() {
            check_missing(sync, &context.options.allow)?;
        }
        let salt = Salt::open(&project.state)?;
        point("run.salted");
        let ledger = Ledger::open(&path, &open.lease)?;
        point("run.ledger");
        ledger.bind_salt(&salt)?;
        // Runs that never reach their end would let the log grow for ever.
        ledger.compact()?;
        let history = Some(open.state.clone());
        Ok(RunState { ledger: Some(ledger), salt, history, run_number: open.number, ran_before })
    }

    /// Reads what there is and creates nothing.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn read(context: &Context<'_>) -> Result<Self> {
        let (project, sync) = (context.project, context.sync);
        let state = State::read(&project.state)?;
        let ledger = Ledger::read(&Ledger::path(&project.state, &sync.name))?;
        let salt = Salt::read(&project.state)?.unwrap_or_else(Salt::throwaway);
        ledger.as_ref().map_or(Ok(()), |ledger| ledger.bind_salt(&salt))?;
        let run_number = state.as_ref().map_or(Ok(1), |state| state.next_run_number(&sync.name))?;
        let ran_before =
            state.as_ref().map_or(Ok(false), |state| state.ran_before(&sync.name, run_number))?;
        if ran_before && ledger.is_none() {
            check_missing(sync, &context.options.allow)?;
        }
        Ok(RunState { ledger, salt, history: state, run_number, ran_before })
    }

    /// Has the history know, before the first request, that the sync may have sent something.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn before_sending(&self, sync: &Sync) -> Result<()> {
        match &self.history {
            Some(history) if !self.ran_before => history.may_send(&sync.name, self.run_number),
            _ => Ok(()),
        }
    }

    /// Holds the run where the ledger belongs to another destination.
    pub fn check_identity(&self, identity: &Identity, sync: &Sync, allow: &Allow) -> Result<()> {
        let Some(ledger) = &self.ledger else { return Ok(()) };
        let Some(known) = ledger.identity()? else { return Ok(()) };
        match difference(&known, identity) {
            Some(difference) if !allow.new_destination => {
                let message =
                    format!("the ledger of `{}` belongs to another destination: {difference}", sync.name);
                Err(Error::new("OF-RUN-011", ErrorKind::Held, message).hint(format!(
                    "`outflow ledger forget {}` starts over, and every row is sent again; \
                     if it holds the same objects under the same ids, `--accept-new-destination` keeps the ledger",
                    sync.name
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Holds the run of a sync whose ledger is missing where it would make objects twice, or leave some for ever.
fn check_missing(sync: &Sync, allow: &Allow) -> Result<()> {
    let risky = matches!(sync.mode, Mode::Insert | Mode::Mirror | Mode::Audience);
    if !risky || allow.first_run {
        return Ok(());
    }
    let message = format!("the ledger of `{}` is missing, although the sync has run before", sync.name);
    Err(Error::new("OF-RUN-012", ErrorKind::Held, message)
        .hint("restore `.outflow/ledger`, or start over with `--first-run`: every row is sent again"))
}

fn difference(old: &Identity, new: &Identity) -> Option<String> {
    let text = |list: &[String]| list.join(", ");
    let or_none = |target: &Option<String>| target.clone().unwrap_or_else(|| "none".into());
    let pairs = [
        ("target", or_none(&old.target), or_none(&new.target)),
        ("account", old.account.clone(), new.account.clone()),
        ("object", old.object.clone(), new.object.clone()),
        ("match_on", text(&old.match_on), text(&new.match_on)),
        ("primary_key", text(&old.primary_key), text(&new.primary_key)),
    ];
    let differing: Vec<String> = pairs
        .into_iter()
        .filter(|(_, old, new)| old != new)
        .map(|(name, old, new)| format!("{name} was `{old}` and is `{new}`"))
        .collect();
    (!differing.is_empty()).then(|| differing.join("; "))
}

/// The mapping in force and the older ones that can still be read, oldest first.
pub struct Mappings {
    pub current: MappingVersion,
    pub previous: Vec<MappingSpec>,
    /// The ledger does not know the current one yet.
    pub is_new: bool,
}

impl Mappings {
    /// Holds a run whose match key was the primary key and is another column now, where the ledger kept nothing that
    /// could tell which objects the rows had.
    pub fn check_match_key(
        &self,
        spec: &MappingSpec,
        delta: &Delta,
        memory: &Memory<'_>,
        allow: &Allow,
    ) -> Result<()> {
        let was_key = self.previous.iter().any(MappingSpec::match_is_key);
        let told = memory.has_details() || delta.live == 0;
        if !was_key || spec.match_is_key() || told || allow.new_destination {
            return Ok(());
        }
        let message = "the match key was the primary key and is another column now, and this ledger \
                       (`keep: hashes`) cannot tell which objects the rows had";
        Err(Error::new("OF-RUN-015", ErrorKind::Held, message).hint(
            "every row would make a second object where the values differ; `--accept-new-destination` goes on all the same",
        ))
    }

    /// The mapping under which rows were acknowledged last.
    pub fn acknowledged<'a>(&'a self, current: &'a MappingSpec) -> &'a MappingSpec {
        self.previous.last().filter(|_| self.is_new).unwrap_or(current)
    }

    /// Fields whose type the destination's catalogue changed by itself since the last run: one sentence for each.
    pub fn retyped(&self, spec: &MappingSpec) -> Vec<String> {
        let Some(last) = self.previous.last().filter(|_| self.is_new) else { return Vec::new() };
        let changed = spec.fields.iter().filter_map(|field| {
            let old = last.fields.iter().find(|old| old.name == field.name)?;
            let retyped = !field.declared && !old.declared && old.from == field.from && old.kind != field.kind;
            retyped.then(|| {
                format!(
                    "`{}` was a {} in the destination and is a {} now: unchanged rows are not sent again for it",
                    field.name, old.kind, field.kind
                )
            })
        });
        changed.collect()
    }
}

/// # Errors
/// When the ledger cannot be read.
pub fn mappings(ledger: Option<&Ledger>, spec: &MappingSpec) -> Result<Mappings> {
    let current = spec.version();
    let known = ledger.map(Ledger::mappings).transpose()?.unwrap_or_default();
    let is_new = known.last().is_none_or(|last| last.hash != current.hash);
    let older = known.iter().filter(|version| version.hash != current.hash);
    let previous = older.filter_map(|version| serde_json::from_str(&version.spec).ok()).collect();
    Ok(Mappings { current, previous, is_new })
}
