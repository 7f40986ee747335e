//! Which changes of a batch belong into the same files.

use std::collections::HashMap;

use super::layout::wrong;
use super::record::plain;
use crate::contract::{BatchSource, ConnectorError};

/// Values of one batch: each has files of its own, and the batch is read once for some of them.
const MOST: usize = 4_096;

/// The values of a field in a batch.
pub(super) struct Partitions {
    names: Vec<String>,
    /// Of each change the place of its value; empty where all have one.
    of_change: Vec<u32>,
}

impl Partitions {
    /// All changes together where no field tells them apart.
    ///
    /// # Errors
    /// [`Kind::Config`](crate::contract::Kind::Config) for a field of too many values.
    pub(super) fn of(batch: &dyn BatchSource, field: Option<&str>) -> Result<Self, ConnectorError> {
        let Some(field) = field else {
            return Ok(Partitions { names: vec![String::new()], of_change: Vec::new() });
        };
        let (mut names, mut known) = (Vec::new(), HashMap::new());
        let (mut of_change, mut bytes) = (Vec::with_capacity(batch.len()), Vec::new());
        batch.each(&mut |change| {
            bytes.clear();
            let fields = change.fields.iter().chain(change.destination_key);
            if let Some(found) = fields.into_iter().find(|found| found.name == field) {
                plain(&found.value, &mut bytes);
            }
            if bytes.is_empty() {
                bytes.extend_from_slice(b"null");
            }
            let place = match known.get(&bytes) {
                Some(place) => *place,
                None if names.len() == MOST => {
                    let message = format!(
                        "`destination.partition_by: {field}` has more than {MOST} values in one batch"
                    );
                    return Err(wrong(message, "take a field of few values, such as an hour or a country"));
                }
                None => {
                    let place = names.len() as u32;
                    names.push(String::from_utf8_lossy(&bytes).into_owned());
                    known.insert(bytes.clone(), place);
                    place
                }
            };
            of_change.push(place);
            Ok(())
        })?;
        Ok(Partitions { names, of_change })
    }

    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// The value at this place.
    pub(super) fn name(&self, place: usize) -> &str {
        &self.names[place]
    }

    /// The place of the value of a change.
    pub(super) fn place(&self, change: usize) -> usize {
        self.of_change.get(change).map_or(0, |place| *place as usize)
    }
}
