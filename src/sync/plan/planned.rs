//! What a plan is made of: the changes to be sent, in order, and what is wanted when it is made.

use std::collections::HashSet;

use outflow_connectors::contract::{Outcome, Verb};

use crate::ledger::{Detail, KeyHash, RecordHash, Refusal};
use crate::project::{DeleteScope, Mode, OnDelete, OnMatchChange};
use crate::sync::diff::{Candidate, Head};
use crate::sync::event::Counts;
use crate::sync::map::Hashes;
use crate::sync::spool::Place;

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
    /// Of its fields only those are sent that are not as in `detail`.
    pub narrow: bool,
    /// Changes of one group are put into one batch, as far as they fit; 0 belongs to none.
    pub group: u32,
    /// Keys whose changes must have been delivered first: of the row that frees this one's destination key, and its own
    /// where its old object has to be gone.
    pub after: Vec<KeyHash>,
    /// What the ledger has of the row beside its hash; of a removal, where its object is.
    pub detail: Option<Box<Detail>>,
    /// The row was refused before.
    pub refusal: Option<Box<Refusal>>,
}

impl Item {
    /// What the bytes of its record do not say.
    pub fn hashes(&self) -> Hashes {
        Hashes { key: self.key, fingerprint: self.record, destination: self.destination_hash }
    }

    /// It speaks to an object that the ledger knows by its id.
    pub fn is_update_by_id(&self) -> bool {
        let known = self.detail.as_deref().is_some_and(|detail| detail.remote_id.is_some());
        self.verb == Verb::Update && self.purpose == Purpose::Deliver && known
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Bring the record over.
    Deliver,
    /// Let go of the object whose match key a record frees or takes; the record follows.
    Replace,
    /// The row vanished: remove the object.
    Remove,
    /// The row vanished: empty the object's fields.
    Clear,
}

/// Changes of one verb that may be in flight together. Phases follow one another.
#[derive(Debug, Clone)]
pub struct Phase {
    pub items: Items,
    /// How many.
    pub len: u64,
}

/// Which changes: those out of the ordinary are listed, the others are read from the delta when their turn comes.
#[derive(Debug, Clone)]
pub enum Items {
    Listed(Vec<Item>),
    /// Candidates marked as bulk, and not as narrow.
    Bulk,
    /// Candidates marked as bulk and narrow.
    Narrow,
    /// Vanished rows marked [`Farewell::Remove`].
    Removals,
}

/// What becomes of a vanished row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// Its object is removed or cleared.
    Remove,
    /// As `Remove`, but before the records; the change is listed.
    RemoveFirst,
    /// Its object stays.
    Gone,
    /// A live row has taken over its destination key: nothing to remove.
    Released,
    /// Its removal was refused, and its turn has not come; a row that is held comes to its destination key; or nobody
    /// knows how to name its object.
    Wait,
}

/// A changed row that must not be sent now; kept as a parked refusal, so that it is shown.
#[derive(Debug, Clone)]
pub struct HeldRow {
    pub candidate: Candidate,
    pub code: &'static str,
    pub message: String,
    /// It is kept as such already.
    pub shown: bool,
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
    /// Hash of how rows are made and sent: what was refused under another one is tried again.
    pub mapping: String,
    /// Changes to known objects send only the fields that changed.
    pub narrows: bool,
    /// The destination finds the objects of such changes by their keys, without an id.
    pub by_key: bool,
}

impl Rules {
    /// How an ordinary candidate is sent.
    pub fn verb(&self) -> Verb {
        match self.mode {
            Mode::Insert => Verb::Create,
            Mode::Update => Verb::Update,
            Mode::Upsert | Mode::Mirror => Verb::Upsert,
            Mode::Audience => Verb::Join,
        }
    }

    /// How a row that now has another match key is sent.
    pub fn replacing(&self) -> Verb {
        match self.mode {
            Mode::Update => Verb::Update,
            Mode::Audience => Verb::Join,
            _ => Verb::Upsert,
        }
    }

    /// How an object is removed, or taken off its list.
    pub fn removing(&self) -> Verb {
        if self.mode == Mode::Audience { Verb::Leave } else { Verb::Delete }
    }

    /// Whether vanished rows have their objects removed.
    pub fn removes(&self) -> bool {
        matches!(self.on_delete, OnDelete::Delete | OnDelete::Archive)
    }

    /// Whether the object of a vanished row is removed or cleared.
    pub fn lets_go_of(&self, detail: &Detail) -> bool {
        self.on_delete != OnDelete::Ignore && has_address(detail) && self.is_in_scope(detail)
    }

    /// False where `delete_scope: created` spares the object.
    pub fn is_in_scope(&self, detail: &Detail) -> bool {
        self.delete_scope != DeleteScope::Created || detail.created == Some(true)
    }

    /// How a vanished row's object is let go of.
    pub fn farewell(&self) -> (Purpose, Verb) {
        match self.on_delete {
            OnDelete::Clear => (Purpose::Clear, Verb::Update),
            _ => (Purpose::Remove, self.removing()),
        }
    }
}

/// Whether the destination can be told which object is meant.
pub(super) fn has_address(detail: &Detail) -> bool {
    detail.remote_id.is_some() || detail.destination_key.is_some()
}

/// Everything a run will do.
#[derive(Default)]
pub struct Plan {
    pub phases: Vec<Phase>,
    pub counts: Counts,
    /// What becomes of each vanished row, in the delta's order.
    pub farewells: Vec<Farewell>,
    /// Vanished rows that stay are let go of in this run.
    pub lets_go: bool,
    /// Unsettled keys that need nothing any more.
    pub forget_dirty: Vec<KeyHash>,
    pub held: Vec<HeldRow>,
    /// Vanished rows whose objects would be removed or cleared, sent in this run or not.
    pub deletes: u64,
    /// Vanished rows whose objects the ledger cannot name to the destination; they count as parked.
    pub stranded: u64,
    /// Refused rows whose turn has not come.
    pub waiting: u64,
    pub notes: Vec<String>,
    /// Keys that another change waits for.
    pub awaited: HashSet<KeyHash>,
}

impl Plan {
    /// Changes that will be sent.
    pub fn changes(&self) -> u64 {
        self.phases.iter().map(|phase| phase.len).sum()
    }
}

/// The change that brings a candidate's record over.
pub fn record(
    candidate: &Candidate,
    verb: Verb,
    remote_id: Option<String>,
    known: (Option<&Detail>, Option<&Refusal>),
) -> Item {
    of_head(&candidate.head, verb, remote_id, known)
}

/// The change that brings over the record of a head.
pub fn of_head(
    head: &Head,
    verb: Verb,
    remote_id: Option<String>,
    (detail, refusal): (Option<&Detail>, Option<&Refusal>),
) -> Item {
    Item {
        key: head.key,
        verb,
        purpose: Purpose::Deliver,
        record: head.fingerprint,
        place: Some(head.place),
        remote_id,
        destination_hash: head.destination_hash,
        narrow: false,
        group: 0,
        after: Vec::new(),
        detail: detail.cloned().map(Box::new),
        refusal: refusal.cloned().map(Box::new),
    }
}

/// What the ledger has of the object that a row is sent to: nothing once its id has led to none. The row goes by its match
/// key then, and takes the id of what it finds or makes there.
pub fn object_of<'a>(detail: Option<&'a Detail>, refusal: Option<&Refusal>) -> Option<&'a Detail> {
    detail.filter(|_| !refusal.is_some_and(|refusal| is_absent(&refusal.code)))
}

/// There is no such object.
pub fn is_absent(code: &str) -> bool {
    code == Outcome::OBJECT_NOT_FOUND
}

/// The change that lets go of an object.
pub fn removal(key: KeyHash, detail: &Detail, (purpose, verb): (Purpose, Verb)) -> Item {
    Item {
        key,
        verb,
        purpose,
        record: RecordHash::REMOVED,
        place: None,
        remote_id: detail.remote_id.clone(),
        destination_hash: detail.destination_hash,
        narrow: false,
        group: 0,
        after: Vec::new(),
        detail: Some(Box::new(detail.clone())),
        refusal: None,
    }
}
