//! What a backfill says while it goes on.

use super::event::{Event, Observer};

/// Counts on from the chunks before.
pub struct Onward<'a> {
    pub observer: &'a dyn Observer,
    pub before: u64,
}

impl Observer for Onward<'_> {
    fn observe(&self, event: &Event) {
        match event {
            Event::Settled { sync, changes } => {
                let changes = self.before + changes;
                self.observer.observe(&Event::Settled { sync: sync.clone(), changes });
            }
            other => self.observer.observe(other),
        }
    }
}
