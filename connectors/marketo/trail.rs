//! Which imports a batch has gone by so far: its handle, by which a later run finds them.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::contract::{ConnectorError, Handles, Kind, RemoteHandle};

/// An import of the batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    /// Its number; none before Marketo's answer gave one.
    pub(super) job: Option<String>,
    /// When its file began to be sent.
    pub(super) begun: Timestamp,
    rows: Vec<RangeInclusive<usize>>,
}

impl Step {
    /// An import of the rows at these places, which rise, that is about to be sent.
    pub(super) fn of(begun: Timestamp, places: impl Iterator<Item = usize>) -> Self {
        let mut rows: Vec<RangeInclusive<usize>> = Vec::new();
        for place in places {
            match rows.last_mut() {
                Some(last) if *last.end() + 1 == place => *last = *last.start()..=place,
                _ => rows.push(place..=place),
            }
        }
        Step { job: None, begun, rows }
    }

    /// The places of its rows in the batch, in the order of its file.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> + '_ {
        self.rows.iter().cloned().flatten()
    }
}

/// The imports of a batch in their order; as a text, a JSON array.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trail(pub(super) Vec<Step>);

impl Trail {
    /// # Errors
    /// [`Kind::Internal`] for a handle that names no imports.
    pub(super) fn read(handle: &RemoteHandle) -> Result<Self, ConnectorError> {
        serde_json::from_str(&handle.0).map_err(|error| {
            ConnectorError::new(Kind::Internal, format!("`{}` names no imports", handle.0)).source(error)
        })
    }

    fn handle(&self) -> RemoteHandle {
        // Texts and numbers are always written.
        RemoteHandle(serde_json::to_string(self).unwrap_or_default())
    }

    /// Makes it durable.
    ///
    /// # Errors
    /// When it could not be stored.
    pub(super) async fn store(&self, handles: &dyn Handles) -> Result<(), ConnectorError> {
        handles.store(&self.handle()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_is_read_as_it_was_written() {
        let begun = "2026-07-15T12:00:00Z".parse().unwrap();
        let mut first = Step::of(begun, [0, 1, 2, 5, 6, 9].into_iter());
        first.job = Some("3404".to_owned());
        let trail = Trail(vec![first, Step::of(begun, 10..12), Step::of(begun, std::iter::empty())]);
        let read = Trail::read(&trail.handle()).unwrap();
        assert_eq!(read, trail);
        assert_eq!(read.0[0].places().collect::<Vec<_>>(), [0, 1, 2, 5, 6, 9]);
        assert_eq!((read.0[1].job.as_deref(), read.0[1].places().count()), (None, 2));
        assert!(Trail::read(&RemoteHandle("3404".to_owned())).is_err());
    }
}
