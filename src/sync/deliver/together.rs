//! The order in which the changes of a large delivery leave. Those that would stand in one another's way, such as children of
//! one parent, are put side by side, so that one batch holds them; else those whose details share a page of the ledger are.

use std::hash::{DefaultHasher, Hash, Hasher};

use outflow_connectors::contract::ValueRef;

use super::batch::KEPT;
use crate::error::Result;
use crate::sync::diff::{Candidate, Delta};

/// Candidates in an order: of each what it is ordered by in the upper half, in the lower its position.
pub struct Order {
    entries: Vec<u64>,
    /// The upper halves are groups.
    is_grouped: bool,
}

impl Order {
    /// Of the first so many ordinary candidates, by the field at this place of the mapping. Those without a value come first,
    /// and belong to no group.
    ///
    /// # Errors
    /// When what the delta spilled cannot be read.
    pub fn by_field(delta: &Delta, field: usize, (narrow, most): (bool, u64)) -> Result<Self> {
        let mut entries = Vec::new();
        let mut look = |candidates: &[Candidate]| {
            let places = candidates.iter().map(|candidate| candidate.head.place);
            let loaded = delta.spool.load(places)?;
            for (index, candidate) in candidates.iter().enumerate() {
                let record = loaded.get(index, candidate.head.place, candidate.head.hashes());
                let value = record.and_then(|record| record.fields().nth(field).transpose());
                let value = value.map_err(|error| delta.spool.damaged(&error))?.flatten();
                entries.push(u64::from(group(value)) << 32 | candidate.seq);
            }
            Ok(())
        };
        ordinary(delta, (narrow, most), |candidates| by_bytes(candidates).try_for_each(&mut look))?;
        Ok(Self::sorted(entries, true))
    }

    /// Of the first so many ordinary candidates, in the order in which the ledger keeps their details.
    ///
    /// # Errors
    /// When what the delta spilled cannot be read.
    pub fn by_key(delta: &Delta, (narrow, most): (bool, u64)) -> Result<Self> {
        let mut entries = Vec::new();
        ordinary(delta, (narrow, most), |candidates| {
            let entry = |candidate: &Candidate| {
                let [a, b, c, d, ..] = candidate.head.key.0;
                u64::from(u32::from_be_bytes([a, b, c, d])) << 32 | candidate.seq
            };
            entries.extend(candidates.iter().map(entry));
            Ok(())
        })?;
        Ok(Self::sorted(entries, false))
    }

    fn sorted(mut entries: Vec<u64>, is_grouped: bool) -> Self {
        entries.sort_unstable();
        Order { entries, is_grouped }
    }

    /// Up to `most` candidates from position `from` of the order on, and the group of each.
    ///
    /// # Errors
    /// When what the delta spilled cannot be read.
    pub fn candidates(&self, delta: &Delta, from: u64, most: usize) -> Result<(Vec<Candidate>, Vec<u32>)> {
        let some = self.entries.iter().skip(from as usize).take(most);
        let (mut candidates, mut groups) = (Vec::new(), Vec::new());
        for entry in some {
            if let Some(candidate) = delta.candidates.get(entry & u64::from(u32::MAX))? {
                candidates.push(candidate);
                groups.push(if self.is_grouped { (entry >> 32) as u32 } else { 0 });
            }
        }
        Ok((candidates, groups))
    }
}

/// The same candidates, some at a time whose records may be in memory together.
fn by_bytes(mut candidates: &[Candidate]) -> impl Iterator<Item = &[Candidate]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fitting = candidates.iter().take_while(|candidate| {
            bytes += candidate.head.place.bytes() as usize;
            bytes <= KEPT
        });
        let (some, rest) = candidates.split_at(fitting.count().max(1).min(candidates.len()));
        candidates = rest;
        (!some.is_empty()).then_some(some)
    })
}

/// Shows the first so many ordinary candidates, some at a time.
fn ordinary(
    delta: &Delta,
    (narrow, most): (bool, u64),
    mut look: impl FnMut(&[Candidate]) -> Result<()>,
) -> Result<()> {
    let mut left = most;
    for chunk in delta.candidates.chunks() {
        let mut candidates = chunk?;
        candidates.retain(|candidate| candidate.bulk && candidate.narrow == narrow);
        candidates.truncate(left as usize);
        left -= candidates.len() as u64;
        look(&candidates)?;
    }
    Ok(())
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
