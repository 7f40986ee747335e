//! What `on_delete: clear` empties of an object whose row is gone.

use std::sync::Arc;

use outflow_connectors::contract::Catalog;

use crate::ledger::Detail;
use crate::sync::spec::MappingSpec;

/// What says which fields are emptied.
#[derive(Debug, Clone, Copy)]
pub struct Cleared<'a> {
    /// The mapping under which rows were acknowledged last.
    pub acknowledged: &'a MappingSpec,
    pub current: &'a MappingSpec,
    pub catalog: &'a Catalog,
}

impl Cleared<'_> {
    /// The fields that were acknowledged last of the row's object, in the order of their names, but for the match key and
    /// those that the object must have.
    pub fn of(&self, detail: Option<&Detail>) -> Vec<Arc<str>> {
        let hashed: &[(Arc<str>, u64)] = detail.map_or(&[][..], |detail| &detail.fields);
        // The ledger has no hash of a field that is not compared, and of none where it keeps hashes of records only.
        let others = self.acknowledged.fields.iter().filter(|field| !field.diff || hashed.is_empty());
        let names = hashed.iter().map(|(name, _)| name).chain(others.map(|field| &field.name));
        let mut cleared: Vec<Arc<str>> = names.filter(|name| self.can_be_empty(name)).cloned().collect();
        cleared.sort_unstable();
        cleared.dedup();
        cleared
    }

    /// A field that the mapping has dropped may be no field of the object any more.
    fn can_be_empty(&self, name: &str) -> bool {
        let property = self.catalog.get(name);
        let is_mapped = self.current.fields.iter().any(|field| *field.name == *name);
        let is_there = is_mapped || property.map_or(self.catalog.open, |property| !property.read_only);
        let is_needed = property.is_some_and(|property| property.required);
        is_there && !is_needed && !self.current.match_on.iter().any(|key| key == name)
    }
}

#[cfg(test)]
mod tests {
    use outflow_connectors::contract::{FieldType, Property};

    use super::*;
    use crate::project::OnNull;
    use crate::sync::spec::{FieldSpec, FromSpec};

    /// A mapping of these fields, of which those that begin with `_` are not compared.
    fn mapping(names: &[&str]) -> MappingSpec {
        let field = |name: &&str| FieldSpec {
            name: (*name).into(),
            from: FromSpec::Column("c".into()),
            kind: FieldType::String,
            declared: false,
            scale: None,
            on_null: OnNull::Clear,
            diff: !name.starts_with('_'),
            set: false,
        };
        MappingSpec {
            encoding: 1,
            key: vec!["id".into()],
            match_on: vec!["email".into()],
            timezone: None,
            fields: names.iter().map(field).collect(),
        }
    }

    #[test]
    fn what_the_row_was_acknowledged_with_is_emptied_where_that_can_be() {
        let before = mapping(&["_note", "email", "plan", "tier"]);
        let now = mapping(&["email", "plan", "status"]);
        let property = |name: &str| Property::new(name, FieldType::String);
        let required = Property { required: true, ..property("status") };
        let read_only = Property { read_only: true, ..property("tier") };
        let properties = vec![property("_note"), property("email"), property("plan"), required, read_only];
        let mut catalog = Catalog { properties, ..Catalog::default() };
        let detail = |names: &[&str]| Detail {
            fields: names.iter().map(|name| ((*name).into(), 7)).collect(),
            ..Detail::default()
        };
        let cleared = |catalog: &Catalog, detail: &Detail| {
            let cleared = Cleared { acknowledged: &before, current: &now, catalog };
            cleared.of(Some(detail)).iter().map(|name| name.to_string()).collect::<Vec<_>>()
        };
        let whole = detail(&["email", "old", "plan", "status", "tier"]);
        assert_eq!(cleared(&catalog, &whole), ["_note", "plan"]);
        assert_eq!(cleared(&catalog, &detail(&["email", "tier"])), ["_note"], "the row had no plan");
        assert_eq!(cleared(&catalog, &Detail::default()), ["_note", "plan"], "as `keep: hashes` leaves it");
        catalog.open = true;
        assert_eq!(cleared(&catalog, &whole), ["_note", "old", "plan"]);
    }
}
