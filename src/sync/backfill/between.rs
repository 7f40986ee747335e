//! What runs have done between the chunks of a backfill, and what is left to them.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::time::Duration;

use tokio::task::block_in_place;

use super::chunks::{ChunkEnd, Sending};
use super::record::Underway;
use super::running::Running;
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::{Detail, KeyHash, Ledger, RecordHash, Tags};
use crate::sync::Cancel;
use crate::sync::deliver::Ended;
use crate::sync::diff::{Class, Sighting};
use crate::sync::plan::{Item, Items};
use crate::sync::spool::CHUNK;

/// How often a look is taken at whether a run waits.
const LOOK: Duration = Duration::from_millis(200);
/// Looks between two words on the pace.
const TELL: u32 = 10;

/// Keys that a chunk came to: all rows up to each are behind it.
#[derive(Clone, Copy)]
pub(super) struct Reach {
    /// Nothing before it is sent again by this process.
    pub(super) sent: Option<KeyHash>,
    /// All up to it were answered.
    answered: Option<KeyHash>,
}

impl Sending<'_> {
    /// Stops the chunk when the whole is to stop, or when a run waits.
    pub(super) async fn watch(&self, stop: &Cancel) -> Infallible {
        let Running { context, state, .. } = self.running;
        for look in 1_u32.. {
            tokio::select! {
                () = context.cancel.stopped() => break,
                () = tokio::time::sleep(LOOK) => {}
            }
            if look.is_multiple_of(TELL) {
                self.tell_pace();
            }
            // A look that fails tells nothing; what is wrong with the disk shows elsewhere.
            if block_in_place(|| state.is_wanted(&context.sync.name)).unwrap_or(false) {
                break;
            }
        }
        stop.stop();
        std::future::pending().await
    }

    /// How far a chunk came.
    pub(super) fn reach(
        &self,
        (sightings, items): (&[Sighting], &[Item]),
        chunk: &ChunkEnd,
        ledger: &Ledger,
    ) -> Result<Reach> {
        let last = sightings.last().map(|sighting| sighting.key);
        let is_through = matches!(chunk.ended, Ended::Done);
        let answered = match chunk.counts.deferred {
            0 if is_through => last,
            _ => self.answered(items, chunk, ledger)?,
        };
        Ok(Reach { sent: if is_through { last } else { answered }, answered })
    }

    /// Another process goes on behind the last row before which all were answered: what was passed by without an answer is
    /// not done.
    pub(super) fn keep_reach(&mut self, reach: Reach, chunk: &ChunkEnd) {
        if let Some(key) = reach.answered.filter(|_| self.unanswered == 0) {
            self.progress.done = Some(key.to_string());
        }
        if matches!(chunk.ended, Ended::Done) {
            self.unanswered += chunk.counts.deferred;
        }
    }

    /// The last of the keys before which all were answered.
    fn answered(&self, items: &[Item], chunk: &ChunkEnd, ledger: &Ledger) -> Result<Option<KeyHash>> {
        let keys: Vec<KeyHash> = items.iter().map(|item| item.key).collect();
        let refusals = ledger.refusals_of(&keys)?;
        let refused = |key: &KeyHash| refusals.get(key).is_some_and(|r| r.run_id == self.running.run_id);
        let answered = keys.iter().take_while(|key| chunk.delivered.contains(key) || refused(key));
        Ok(answered.last().copied())
    }

    /// A row that was answered, but not delivered, counts as changed from now on: the next run takes it up. It forgets
    /// what the fields were acknowledged to hold, or it would find that none of them differs.
    pub(super) fn keep_changed(&self, items: &[Item], end: &ChunkEnd, ledger: &Ledger) -> Result<()> {
        if end.counts.sent == end.counts.delivered {
            return Ok(());
        }
        let known = |key: &KeyHash, record: &RecordHash| self.before.tags.find(key, record).is_some();
        let open = items.iter().map(|item| (item.key, &item.record));
        let open = open.filter(|(key, record)| !end.delivered.contains(key) && known(key, record));
        let keys: Vec<KeyHash> = open.map(|(key, _)| key).collect();
        let mut details = ledger.details(&keys)?;
        let stale = |key: KeyHash| {
            let detail = details.remove(&key);
            (key, RecordHash::STALE, detail.map(|detail| Detail { fields: Vec::new(), ..detail }))
        };
        let open: Vec<_> = keys.into_iter().map(stale).collect();
        if open.is_empty() { Ok(()) } else { ledger.rebase(&open) }
    }

    /// A run has had the lease since the ledger was last seen. Rows that it has acknowledged, removed or left unsettled
    /// are its own: it has read the source later.
    pub(super) fn catch_up(&mut self, ledger: &Ledger) -> Result<()> {
        self.check_unchanged(ledger)?;
        let (mut unsettled, mut theirs) = (HashSet::new(), HashSet::new());
        for intent in ledger.open_intents()? {
            let keys = intent.entries.iter().map(|entry| entry.key);
            unsettled.extend(keys.filter(|key| !self.before.dirty.contains(key)));
        }
        let mut listed = self.listed_keys();
        let mut live = ledger.live_entries()?;
        let mut entry = live.next().transpose()?;
        let mut pass = |(key, record): (KeyHash, RecordHash), tags: &Tags| {
            if listed.remove(&key).is_some() && tags.find(&key, &record).is_none() {
                theirs.insert(key);
            }
        };
        for start in (self.at..self.order.len()).step_by(CHUNK) {
            for Sighting { key, seq, .. } in self.order.slice(start, CHUNK)? {
                while let Some(passed) = entry.filter(|(other, _)| *other < key) {
                    pass(passed, &self.before.tags);
                    entry = live.next().transpose()?;
                }
                let same = match entry.filter(|(other, _)| *other == key) {
                    Some((_, record)) => self.before.tags.find(&key, &record).is_some(),
                    None => self.delta.candidates.class(u64::from(seq)) == Class::Add,
                };
                if !same || unsettled.contains(&key) {
                    self.delta.candidates.set(u64::from(seq), Class::Unchanged);
                }
            }
        }
        while let Some(passed) = entry {
            pass(passed, &self.before.tags);
            entry = live.next().transpose()?;
        }
        theirs.extend(listed.into_iter().filter(|(_, known)| *known).map(|(key, _)| key));
        self.overtaken.extend(unsettled.into_iter().chain(theirs));
        Ok(())
    }

    /// Keys out of the ordinary, and whether the ledger had them.
    fn listed_keys(&self) -> HashMap<KeyHash, bool> {
        let items = self.plan.phases.iter().filter_map(|phase| match &phase.items {
            Items::Listed(items) => Some(items),
            Items::Bulk | Items::Narrow | Items::Removals => None,
        });
        items.flatten().map(|item| (item.key, item.detail.is_some())).collect()
    }

    /// Another mapping or destination, or another backfill, ends this one.
    fn check_unchanged(&self, ledger: &Ledger) -> Result<()> {
        let begun = self.chunks > 0;
        let identity = ledger.identity()?.is_none_or(|known| known == self.work.identity());
        let mapping = self.work.mappings.is_new && !begun
            || ledger.mappings()?.last().is_some_and(|last| last.hash == self.work.mappings.current.hash);
        let own = Underway::read(ledger)?.is_none_or(|known| known.id == self.progress.id);
        if identity && mapping && own {
            return Ok(());
        }
        let message = "the mapping or the destination of the sync was changed while it was backfilled";
        Err(Error::new("OF-RUN-052", ErrorKind::Config, message)
            .hint("what was acknowledged is kept; run it again with `--restart` to send all rows as they are mapped now"))
    }
}
