//! Where the batches of a delivery come from: a phase of the plan, read ahead by one.

use tokio::task::block_in_place;

use super::batch::{Batch, Records};
use super::feed::Batches;
use crate::error::Result;

/// Gives batches, one after another.
pub struct Inlet<'a> {
    records: Records<'a>,
    batches: Batches<'a>,
    ready: Option<Batch<'a>>,
}

impl<'a> Inlet<'a> {
    /// The batches of one phase.
    pub fn planned(records: Records<'a>, batches: Batches<'a>) -> Self {
        Inlet { records, batches, ready: None }
    }

    /// Makes the next batch ready, if there is one; may be dropped and called again.
    ///
    /// # Errors
    /// When the ledger or the spool cannot be read.
    pub async fn fill(&mut self) -> Result<()> {
        if self.ready.is_none() {
            self.ready = block_in_place(|| match self.batches.next()? {
                Some(items) => Batch::load(self.records, items).map(Some),
                None => Ok(None),
            })?;
        }
        Ok(())
    }

    /// The batch made ready; `None` after the last.
    pub fn take(&mut self) -> Option<Batch<'a>> {
        self.ready.take()
    }

    /// There may be another batch.
    pub fn has_more(&self) -> bool {
        self.batches.left() > 0 || self.ready.is_some()
    }

    /// Changes that were not given out.
    pub fn left(&self) -> u64 {
        let ready = self.ready.as_ref().map_or(0, |batch| batch.items.len() as u64);
        ready + self.batches.left() + self.batches.blocked
    }
}
