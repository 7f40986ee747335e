//! What an edit of a mapping changed: a row whose old record the ledger has is evaluated under both mappings only where they
//! differ.

use outflow_connectors::contract::{FieldType, Row, Value};

use super::{Mapper, settle_null};
use crate::sync::spec::FieldSpec;

/// What there is to compare of a row under a mapping and an older one.
pub struct Edit {
    /// Compared fields of the mapping that may say something else than the older one, each with its place there, if it is
    /// there; those that are not come first.
    fields: Vec<(usize, Option<usize>)>,
    /// So may the destination key.
    destination: bool,
}

impl Mapper {
    /// What there is to compare with an older mapping of the same query.
    pub fn edit_of(&self, previous: &Mapper) -> Edit {
        let mut fields = Vec::new();
        for (place, field) in self.spec.fields.iter().enumerate().filter(|(_, field)| field.diff) {
            let known = previous.spec.fields.iter().position(|old| old.name == field.name && old.diff);
            let is_settled = known.is_some_and(|known| {
                let old = &previous.spec.fields[known];
                // A type that the catalogue changed by itself is no change of the record.
                let is_named = field.declared || old.declared;
                let kind = if is_named { field.kind } else { old.kind };
                self.is_same((place, kind), (previous, known))
            });
            if !is_settled {
                fields.push((place, known));
            }
        }
        fields.sort_by_key(|(_, known)| known.is_some());
        let same_keys = self.match_fields.len() == previous.match_fields.len()
            && self.match_fields.iter().zip(&previous.match_fields).all(|(new, old)| {
                self.spec.fields[*new].name == previous.spec.fields[*old].name
                    && self.is_same((*new, self.spec.fields[*new].kind), (previous, *old))
            });
        Edit { fields, destination: !same_keys }
    }

    /// Whether a field would have the same value as an older one in every row, were it of this type.
    fn is_same(&self, (place, kind): (usize, FieldType), (previous, known): (&Mapper, usize)) -> bool {
        FieldSpec { kind, ..self.spec.fields[place].clone() } == previous.spec.fields[known]
            && self.spec.timezone == previous.spec.timezone
            && self.fields[place].is_matched == previous.fields[known].is_matched
    }

    /// Whether a destination that holds what `previous` makes of a row already holds all that this mapping makes of it. The
    /// row has no fault under either.
    pub fn is_covered(&self, row: Row<'_>, (previous, edit): (&Mapper, &Edit)) -> bool {
        let destination = |mapper: &Mapper| {
            let mut key = Vec::new();
            mapper.encode_destination(row, &mut key);
            key
        };
        (!edit.destination || destination(self) == destination(previous))
            && edit.fields.iter().all(|(place, known)| match (self.settled(*place, row), known) {
                // A field that says nothing of this row asks for nothing.
                (Some(value), None) => value.is_none(),
                (Some(value), Some(known)) => previous.settled(*known, row) == Some(value),
                (None, _) => false,
            })
    }

    /// A field's value, `None` within where a null is skipped; none for a fault.
    fn settled(&self, place: usize, row: Row<'_>) -> Option<Option<Value>> {
        let value = self.fields[place].value(row).ok()?;
        settle_null(value, self.spec.fields[place].on_null).ok()
    }
}
