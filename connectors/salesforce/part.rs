//! Some changes of a batch, as a batch of their own.

use std::ops::Range;

use crate::contract::{BatchSource, ConnectorError, Look, beyond};

/// The changes at these places of a batch, which rise.
pub(super) struct Part<'a> {
    batch: &'a dyn BatchSource,
    places: &'a [usize],
}

impl<'a> Part<'a> {
    pub(super) fn new(batch: &'a dyn BatchSource, places: &'a [usize]) -> Self {
        Part { batch, places }
    }
}

impl BatchSource for Part<'_> {
    fn len(&self) -> usize {
        self.places.len()
    }

    fn each_in(&self, places: Range<usize>, look: Look<'_>) -> Result<(), ConnectorError> {
        let wanted = self.places.get(places).ok_or_else(beyond)?;
        for run in wanted.chunk_by(|one, next| one + 1 == *next) {
            if let (Some(first), Some(last)) = (run.first(), run.last()) {
                self.batch.each_in(*first..last + 1, &mut *look)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Change, Verb};

    #[test]
    fn a_part_shows_its_changes_alone() {
        let change = |id: usize| Change {
            verb: Verb::Delete,
            destination_key: vec![],
            remote_id: Some(id.to_string()),
            fields: vec![],
        };
        let batch: Vec<Change> = (0..9).map(change).collect();
        let part = Part::new(&batch, &[1, 2, 5, 8]);
        let seen = |places: Range<usize>| {
            let mut seen = String::new();
            part.each_in(places, &mut |change| {
                seen.push_str(change.remote_id.unwrap_or_default());
                Ok(())
            })
            .map(|()| seen)
        };
        assert_eq!(seen(0..part.len()).unwrap(), "1258");
        assert_eq!(seen(1..3).unwrap(), "25");
        assert!(seen(2..5).is_err());
    }
}
