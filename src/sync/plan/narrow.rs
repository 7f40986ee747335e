//! Which changes send only the fields that changed: those of which nothing casts doubt on what the object holds.

use super::planned::Rules;
use crate::error::Result;
use crate::ledger::{Detail, KeyHash};
use crate::sync::diff::{Class, Delta, Head};
use crate::sync::known::Memory;
use crate::sync::spool::CHUNK;

/// Marks them in the delta.
///
/// # Errors
/// When the ledger, or what the delta spilled, cannot be read.
pub fn mark(delta: &mut Delta, memory: &Memory<'_>, rules: &Rules) -> Result<()> {
    if !rules.narrows {
        return Ok(());
    }
    for start in (0..delta.candidates.len()).step_by(CHUNK) {
        let mut candidates = delta.candidates.slice(start, CHUNK)?;
        candidates.retain(|candidate| candidate.class == Class::Change && !candidate.sent);
        let keys: Vec<KeyHash> = candidates.iter().map(|candidate| candidate.head.key).collect();
        let (details, refusals) = (memory.details(&keys)?, memory.refusals(&keys)?);
        for candidate in &candidates {
            let key = &candidate.head.key;
            // A lost answer, a refusal or a full refresh leaves it open what the object holds.
            let is_settled = !candidate.owed && !delta.dirty.contains_key(key) && !refusals.contains_key(key);
            let detail = details.get(key);
            let is_known = detail.is_some_and(|detail| is_known(detail, &candidate.head, rules.by_key));
            if is_settled && is_known {
                delta.candidates.set_narrow(candidate.seq);
            }
        }
    }
    Ok(())
}

/// Whether the ledger has what each field of the object was acknowledged to hold, and how it is found: by its id or, where the
/// destination finds it by its key, by the key that the row still has.
pub fn is_known(detail: &Detail, head: &Head, by_key: bool) -> bool {
    let has_key = by_key && detail.destination_hash == head.destination_hash;
    (has_key || detail.remote_id.is_some()) && !detail.gone && !detail.fields.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::RecordHash;
    use crate::sync::spool::Place;

    /// What the ledger has, whether the destination finds objects by their keys, and whether the object is known.
    #[test]
    fn an_object_is_known_by_its_fields_and_by_its_id_or_its_key() {
        let place = Place { offset: 0, len: 1 };
        let record = RecordHash([2; 16]);
        let head = Head { key: KeyHash([1; 16]), fingerprint: record, destination_hash: 5, place, row: 0 };
        let fields = vec![("name".into(), 7)];
        let by_id = Detail { remote_id: Some("1".into()), destination_hash: 5, fields, ..Detail::default() };
        let keyed = Detail { remote_id: None, ..by_id.clone() };
        for (detail, by_key, known, why) in [
            (by_id.clone(), false, true, "by its id"),
            (keyed.clone(), false, false, "nothing finds it"),
            (keyed.clone(), true, true, "by its key"),
            (Detail { destination_hash: 6, ..keyed.clone() }, true, false, "under its new key there is none"),
            (Detail { destination_hash: 0, ..keyed.clone() }, true, false, "nobody knows its key"),
            (Detail { destination_hash: 6, ..by_id.clone() }, false, true, "an id leads to it under any key"),
            (Detail { gone: true, ..by_id.clone() }, false, false, "it was let go of"),
            (Detail { gone: true, ..keyed.clone() }, true, false, "it was let go of"),
            (Detail { fields: vec![], ..by_id }, false, false, "as a job that outlived its run leaves it"),
            (Detail { fields: vec![], ..keyed }, true, false, "as `keep: hashes` leaves it"),
        ] {
            assert_eq!(is_known(&detail, &head, by_key), known, "{why}");
        }
    }
}
