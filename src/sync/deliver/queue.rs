//! Where the batches of a delivery come from: a phase of the plan, or the rows that are sent while the source is read;
//! read ahead by one.

use tokio::task::block_in_place;

use super::batch::{Batch, Records};
use super::feed::Batches;
use super::streaming::Streamed;
use crate::error::Result;

/// Gives batches, one after another.
pub struct Queue<'a> {
    from: From<'a>,
    ready: Option<Batch<'a>>,
}

enum From<'a> {
    Planned(Records<'a>, Box<Batches<'a>>),
    Streamed(Box<Streamed<'a>>),
}

impl<'a> Queue<'a> {
    /// The batches of one phase.
    pub fn planned(records: Records<'a>, batches: Batches<'a>) -> Self {
        Queue { from: From::Planned(records, Box::new(batches)), ready: None }
    }

    /// The batches that leave while the source is read.
    pub fn streamed(streamed: Streamed<'a>) -> Self {
        Queue { from: From::Streamed(Box::new(streamed)), ready: None }
    }

    /// Makes the next batch ready, if there is one; may be dropped and called again.
    ///
    /// # Errors
    /// When the ledger or the spool cannot be read.
    pub async fn fill(&mut self) -> Result<()> {
        if self.ready.is_none() {
            self.ready = match &mut self.from {
                From::Planned(records, batches) => block_in_place(|| match batches.next()? {
                    Some(items) => Batch::load(*records, items).map(Some),
                    None => Ok(None),
                })?,
                From::Streamed(streamed) => streamed.next().await?,
            };
        }
        Ok(())
    }

    /// The batch made ready; `None` after the last.
    pub fn take(&mut self) -> Option<Batch<'a>> {
        if let From::Streamed(streamed) = &mut self.from {
            streamed.given();
        }
        self.ready.take()
    }

    /// There may be another batch.
    pub fn has_more(&self) -> bool {
        self.ready.is_some() || matches!(&self.from, From::Planned(_, batches) if batches.left() > 0)
    }

    /// Changes of the plan that were not given out.
    pub fn left(&self) -> u64 {
        let From::Planned(_, batches) = &self.from else { return 0 };
        let ready = self.ready.as_ref().map_or(0, |batch| batch.items.len() as u64);
        ready + batches.left() + batches.blocked
    }

    /// Positions among the candidates of the rows that were given out while the source was read.
    pub fn sent(self) -> Vec<u64> {
        match self.from {
            From::Planned(..) => Vec::new(),
            From::Streamed(streamed) => streamed.sent(),
        }
    }
}
