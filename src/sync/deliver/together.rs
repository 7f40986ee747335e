//! Changes that would stand in one another's way, such as children of one parent, are put side by side, so that one batch
//! holds them.

use std::hash::{DefaultHasher, Hash, Hasher};

use outflow_connectors::contract::ValueRef;

use crate::error::Result;
use crate::sync::diff::{Candidate, Delta};

/// Candidates by a field's value: of each the value's group in the upper half, in the lower its position.
pub struct Order(Vec<u64>);

impl Order {
    /// Of the first so many ordinary candidates, by the field at this place of the mapping. Those without a value come first,
    /// and belong to no group.
    ///
    /// # Errors
    /// When what the delta spilled cannot be read.
    pub fn by(delta: &Delta, field: usize, (narrow, most): (bool, u64)) -> Result<Self> {
        let mut order = Vec::new();
        for chunk in delta.candidates.chunks() {
            let mut candidates = chunk?;
            candidates.retain(|candidate| candidate.bulk && candidate.narrow == narrow);
            candidates.truncate((most - order.len() as u64) as usize);
            let places = candidates.iter().map(|candidate| candidate.head.place);
            let loaded = delta.spool.load(places)?;
            for (index, candidate) in candidates.iter().enumerate() {
                let record = loaded.get(index, candidate.head.place);
                let value = record.and_then(|record| record.fields().nth(field).transpose());
                let value = value.map_err(|error| delta.spool.damaged(&error))?.flatten();
                order.push(u64::from(group(value)) << 32 | candidate.seq);
            }
        }
        order.sort_unstable();
        Ok(Order(order))
    }

    /// Up to `most` candidates from position `from` of the order on, and the group of each.
    ///
    /// # Errors
    /// When what the delta spilled cannot be read.
    pub fn candidates(&self, delta: &Delta, from: u64, most: usize) -> Result<(Vec<Candidate>, Vec<u32>)> {
        let some = self.0.iter().skip(from as usize).take(most);
        let (mut candidates, mut groups) = (Vec::new(), Vec::new());
        for entry in some {
            if let Some(candidate) = delta.candidates.get(entry & u64::from(u32::MAX))? {
                candidates.push(candidate);
                groups.push((entry >> 32) as u32);
            }
        }
        Ok((candidates, groups))
    }
}

/// A group of which two values are in one only by accident; such a group is merely larger.
fn group(value: Option<ValueRef<'_>>) -> u32 {
    let mut hasher = DefaultHasher::new();
    match value {
        None | Some(ValueRef::Null) => return 0,
        Some(ValueRef::Text(text)) => text.hash(&mut hasher),
        Some(value) => value.to_string().hash(&mut hasher),
    }
    (hasher.finish() >> 32) as u32 | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_differ_are_told_apart_and_none_is_no_group() {
        assert_eq!(group(Some(ValueRef::Text("a"))), group(Some(ValueRef::Text("a"))));
        assert_ne!(group(Some(ValueRef::Text("a"))), group(Some(ValueRef::Text("b"))));
        assert_ne!(group(Some(ValueRef::Number("7".into()))), 0);
        assert_eq!((group(None), group(Some(ValueRef::Null))), (0, 0));
    }
}
