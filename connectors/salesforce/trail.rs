//! Which jobs a batch has gone by so far: its handle, by which a later run finds them.

use crate::contract::{ConnectorError, Handles, RemoteHandle};

/// A job of the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) id: String,
    /// It has its data, so that closing it is all that is needed.
    pub(super) uploaded: bool,
}

/// The jobs of a batch in their order, and whether collections were begun after them.
///
/// As a text: the jobs' ids, each with a `+` once it has its data, and at last a `+` of its own for collections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Trail {
    pub(super) steps: Vec<Step>,
    pub(super) by_hand: bool,
}

impl Trail {
    pub(super) fn read(handle: &RemoteHandle) -> Self {
        let mut trail = Trail::default();
        for word in handle.0.split_whitespace() {
            match word.strip_suffix('+') {
                Some("") => trail.by_hand = true,
                Some(id) => trail.steps.push(Step { id: id.to_owned(), uploaded: true }),
                None => trail.steps.push(Step { id: word.to_owned(), uploaded: false }),
            }
        }
        trail
    }

    fn handle(&self) -> RemoteHandle {
        let step = |step: &Step| format!("{}{}", step.id, if step.uploaded { "+" } else { "" });
        let words = self.steps.iter().map(step).chain(self.by_hand.then(|| "+".to_owned()));
        RemoteHandle(words.collect::<Vec<_>>().join(" "))
    }

    /// Makes it durable.
    pub(super) async fn store(&self, handles: &dyn Handles) -> Result<(), ConnectorError> {
        handles.store(&self.handle()).await
    }

    pub(super) fn begin(&mut self, id: &str) {
        self.steps.push(Step { id: id.to_owned(), uploaded: false });
    }

    /// The last job has its data.
    pub(super) fn uploaded(&mut self) {
        if let Some(step) = self.steps.last_mut() {
            step.uploaded = true;
        }
    }

    /// The last job is not to be closed by anybody.
    pub(super) fn not_uploaded(&mut self) {
        if let Some(step) = self.steps.last_mut() {
            step.uploaded = false;
        }
    }

    /// The last job is ended without its data.
    pub(super) fn drop_last(&mut self) {
        self.steps.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_is_read_as_it_was_written() {
        let mut trail = Trail::default();
        for (id, uploaded) in [("750A", true), ("750B", false), ("750C", true)] {
            trail.begin(id);
            if uploaded {
                trail.uploaded();
            }
            assert_eq!(Trail::read(&trail.handle()), trail);
        }
        trail.by_hand = true;
        assert_eq!(trail.handle().0, "750A+ 750B 750C+ +");
        assert_eq!(Trail::read(&trail.handle()), trail);
    }
}
