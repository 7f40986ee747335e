//! Which changes send only the fields that changed: those of which nothing casts doubt on what the object holds.

use super::planned::Rules;
use crate::error::Result;
use crate::ledger::{Detail, KeyHash};
use crate::sync::diff::{Class, Delta};
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
            // A lost answer or a refusal leaves it open what the object holds.
            let is_settled = !delta.dirty.contains_key(key) && !refusals.contains_key(key);
            if is_settled && details.get(key).is_some_and(is_known) {
                delta.candidates.set_narrow(candidate.seq);
            }
        }
    }
    Ok(())
}

/// Whether the ledger has the object's id and what each of its fields was acknowledged to hold.
pub fn is_known(detail: &Detail) -> bool {
    detail.remote_id.is_some() && !detail.gone && !detail.fields.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_known_by_its_id_and_its_fields() {
        let fields = vec![("name".into(), 7)];
        let known = Detail { remote_id: Some("1".into()), fields, ..Detail::default() };
        assert!(is_known(&known));
        assert!(!is_known(&Detail { remote_id: None, ..known.clone() }));
        assert!(!is_known(&Detail { gone: true, ..known.clone() }));
        assert!(!is_known(&Detail { fields: vec![], ..known }), "as a job that outlived its run leaves it");
    }
}
