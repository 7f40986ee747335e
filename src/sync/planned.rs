//! What a plan is made of: the changes to be sent, in order, and what is known and wanted when it is made.

use std::collections::{HashMap, HashSet};

use outflow_connectors::contract::Verb;

use super::diff::Candidate;
use super::event::Counts;
use super::spool::Place;
use crate::ledger::{Detail, KeyHash, RecordHash, Refusal};
use crate::project::{DeleteScope, Mode, OnDelete, OnMatchChange};

/// One change to be sent.
#[derive(Debug, Clone)]
pub struct Item {
    pub key: KeyHash,
    pub verb: Verb,
    pub purpose: Purpose,
    /// [`RecordHash::REMOVED`] where the object goes away.
    pub record: RecordHash,
    /// The record in the spool; `None` for removals.
    pub place: Option<Place>,
    pub remote_id: Option<String>,
    pub destination_hash: u64,
    /// JSON list; set for removals, else it stands in the record.
    pub destination_key: Option<String>,
    /// JSON object; set for removals, else it stands in the record.
    pub key_text: Option<String>,
    /// The key whose change frees this one's destination key; it must have been delivered first.
    pub after: Option<KeyHash>,
    /// Never refused before, as far as the ledger knows.
    pub first_attempt: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Bring the record over.
    Deliver,
    /// Remove the object under the old match key; the record follows.
    Replace,
    /// The row vanished: remove the object.
    Remove,
    /// The row vanished: empty the object's fields.
    Clear,
}

/// Changes of one verb that may be in flight together. Phases follow one another.
#[derive(Debug, Clone)]
pub struct Phase {
    pub verb: Verb,
    pub items: Vec<Item>,
}

/// A changed row that must not be sent now; kept as a parked refusal, so that it is shown.
#[derive(Debug, Clone)]
pub struct HeldRow {
    pub candidate: Candidate,
    pub code: &'static str,
    pub message: String,
}

/// What the ledger and the destination know of the keys in the delta.
#[derive(Default)]
pub struct Known {
    pub details: HashMap<KeyHash, Detail>,
    pub refusals: HashMap<KeyHash, Refusal>,
    /// Remote ids of objects that a lost answer left under another destination key than the row has now.
    pub found: HashMap<KeyHash, String>,
    /// Creates of which nobody can tell whether they happened.
    pub unclear: HashSet<KeyHash>,
    /// Which ledger key holds a destination key that a candidate now claims.
    pub holders: HashMap<u64, KeyHash>,
}

/// What the mapping and the command line ask for.
pub struct Rules {
    pub mode: Mode,
    pub on_delete: OnDelete,
    pub delete_scope: DeleteScope,
    pub on_match_change: OnMatchChange,
    /// Send at most this many changes, and remove nothing.
    pub limit: Option<u64>,
    pub run_number: u64,
    /// Hash of the mapping in force.
    pub mapping: String,
}

/// Everything a run will do.
#[derive(Default)]
pub struct Plan {
    pub phases: Vec<Phase>,
    pub counts: Counts,
    /// Fingerprints that move without a request.
    pub rebase: Vec<Candidate>,
    /// Vanished rows whose objects stay.
    pub gone: Vec<KeyHash>,
    /// Vanished rows whose destination key a live row has taken over: nothing to remove.
    pub released: Vec<KeyHash>,
    /// Unsettled keys that need nothing any more.
    pub forget_dirty: Vec<KeyHash>,
    pub held: Vec<HeldRow>,
    /// Vanished rows whose objects would be removed or cleared, sent in this run or not.
    pub deletes: u64,
    /// Refused rows whose turn has not come.
    pub waiting: u64,
    pub notes: Vec<String>,
    /// For the preview: all rows added, changed or removed, whether sent or not, in order.
    pub removed: Vec<KeyHash>,
}

impl Plan {
    /// Changes that will be sent.
    pub fn changes(&self) -> u64 {
        self.phases.iter().map(|phase| phase.items.len() as u64).sum()
    }
}
