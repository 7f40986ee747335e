//! Vanished rows whose objects are to go, while the ledger does not know how to name them to the destination: they were
//! delivered when nothing was to be removed. They are forgotten by nobody but a person: the entries stay, and every run says so.

use super::planned::{Farewell, Plan, Rules, has_address};
use crate::ledger::Detail;
use crate::project::OnDelete;
use crate::sync::diff::Delta;

impl Rules {
    /// Whether the object of a vanished row would be let go of, if only the ledger knew its address; what it knows is
    /// `detail`. The object of a live row is nobody else's to lose.
    pub(super) fn strands(&self, detail: Option<&Detail>, delta: &Delta) -> bool {
        let none = Detail::default();
        let detail = detail.unwrap_or(&none);
        let hash = detail.destination_hash;
        let is_taken = hash != 0 && delta.destinations.contains(hash);
        self.on_delete != OnDelete::Ignore && !has_address(detail) && self.is_in_scope(detail) && !is_taken
    }
}

impl Plan {
    /// What becomes of a vanished row whose object is not let go of.
    pub(super) fn left(&mut self, is_stranded: bool) -> Farewell {
        if !is_stranded {
            return Farewell::Gone;
        }
        self.stranded += 1;
        self.counts.parked += 1;
        Farewell::Wait
    }

    pub(super) fn tell_stranded(&mut self) {
        let which = match self.stranded {
            0 => return,
            1 => "the object of 1 vanished row cannot be removed: it was".to_owned(),
            rows => format!("the objects of {rows} vanished rows cannot be removed: they were"),
        };
        self.notes.push(format!(
            "{which} delivered while `on_delete` was `ignore`, and the ledger has no key of it; remove in the destination what \
             is not wanted there, then run once with `mode: upsert` and `on_delete: ignore` to let go of such rows"
        ));
    }
}
