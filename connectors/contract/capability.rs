//! What a destination can do, as data, known before anything is sent.

use std::time::Duration;

use super::Verb;

/// At most `requests` in any window of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Most requests in one window.
    pub requests: u32,
    /// The window's length.
    pub per: Duration,
}

/// A window that only some requests of an owner have, beside the one that all have: HubSpot's search, all but the contacts
/// of Brevo. What an answer to one of them says of a limit is said of this window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Narrow {
    /// Its requests are counted under this name.
    pub name: &'static str,
    /// What it allows, until the vendor's headers say otherwise.
    pub rate: RateLimit,
}

/// A batch that is to be sent, as far as what it takes depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Load {
    /// Of all its changes.
    pub verb: Verb,
    /// Its changes.
    pub rows: u64,
    /// Those of them whose objects are known to be there.
    pub known: u64,
}

/// Write requests of one kind that a batch takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calls {
    /// How many, about.
    pub requests: u64,
    /// The window that they have beside their owner's.
    pub narrow: Option<Narrow>,
}

impl Calls {
    /// As many as so many changes need, of which one request takes at most `most`.
    pub fn of(changes: u64, most: usize) -> Self {
        Calls { requests: changes.div_ceil(most.max(1) as u64), narrow: None }
    }

    /// The same, in a window of their own.
    pub fn within(self, narrow: Narrow) -> Self {
        Calls { narrow: Some(narrow), ..self }
    }
}

/// What the destination's ordinary removal does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeleteKind {
    /// Objects cannot be removed.
    None,
    /// Archived or put in a recycle bin; can be restored by hand.
    Archive,
    /// Gone for good.
    Hard,
}

/// What one object of one destination can do.
#[derive(Debug, Clone, PartialEq)]
pub struct Capabilities {
    /// What can be done with an object; a mapping whose mode needs another is refused before anything is sent.
    pub verbs: &'static [Verb],
    /// Most changes in one batch.
    pub batch_rows: usize,
    /// Most bytes in one request, where the vendor states it.
    pub batch_bytes: Option<usize>,
    /// Most batches in flight at once.
    pub in_flight: usize,
    /// The rate to start with; the vendor's headers may narrow it.
    pub rate: Option<RateLimit>,
    /// What [`Verb::Delete`] does.
    pub deletes: DeleteKind,
    /// An answer names the id of an object that it made; of one that was there it may not.
    pub remote_ids: bool,
    /// One record can be refused without its batch.
    pub partial_answers: bool,
    /// A list takes members by their match key, and no fields: a mapping that sends others to it is refused before anything
    /// is sent.
    pub members_only: bool,
    /// Objects can be linked to others, see [`Association`](super::Association).
    pub associations: bool,
    /// What names an object that is not there is accepted like anything else, so an update or a member of a list that came
    /// to nothing counts as done.
    pub accepts_unseen: bool,
    /// Another way for large deliveries, such as jobs that are worked through while their sender waits.
    pub bulk: Option<Bulk>,
    /// A create carries an id of ours by which the destination knows a repeat of it, so that one whose answer was lost is
    /// simply sent again.
    pub repeatable_creates: bool,
    /// Each run is to send all rows, changed or not: what it writes replaces what an earlier one did.
    pub all_rows: bool,
    /// Each field that is written costs its users: of a change only the fields that changed are sent, unless the mapping says
    /// otherwise. An update that holds only those finds its object by the destination key; no id is needed.
    pub changed_fields: bool,
}

/// How many changes go at a time where there are many; what is not said here is as for few.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bulk {
    /// From so many changes on that can be sent together.
    pub from: u64,
    /// Most changes in one batch.
    pub batch_rows: usize,
    /// Most bytes in one batch.
    pub batch_bytes: usize,
    /// Most batches in flight at once.
    pub in_flight: usize,
    /// Requests that a batch takes, about.
    pub requests: u64,
    /// A field of the mapping: changes with the same value are put into the same batch, one after another, because they
    /// would stand in one another's way in different ones.
    pub together: Option<String>,
}

impl Capabilities {
    /// Of what can do nothing; a destination says what it can beyond this.
    pub const BLANK: Capabilities = Capabilities {
        verbs: &[],
        batch_rows: 1,
        batch_bytes: None,
        in_flight: 1,
        rate: None,
        deletes: DeleteKind::None,
        remote_ids: false,
        partial_answers: false,
        members_only: false,
        associations: false,
        accepts_unseen: false,
        repeatable_creates: false,
        all_rows: false,
        changed_fields: false,
        bulk: None,
    };

    /// Whether this verb can be asked for.
    pub fn supports(&self, verb: Verb) -> bool {
        self.verbs.contains(&verb)
    }
}

impl RateLimit {
    /// A share of it, 0 to 1; of less than one request in a window, one in a longer window.
    pub fn share(self, share: f64) -> RateLimit {
        let share = share.clamp(0.0001, 1.0);
        let requests = f64::from(self.requests) * share;
        match requests >= 1.0 {
            true => RateLimit { requests: requests as u32, per: self.per },
            false => RateLimit { requests: 1, per: self.per.div_f64(requests.max(0.0001)) },
        }
    }
}
