//! Row -> source hash: 64 bits of the cells that a record is made of, as the source gives them. A row that has the source
//! hash of the row that was acknowledged has its record as well, and is neither converted nor encoded to find that out.
//!
//! It is AHash under keys made of the salt and of all that decides what becomes of such cells: nobody who does not have the
//! salt can make two rows of one hash, and one made under another mapping, catalogue or version of outflow is found nowhere.

use std::hash::{BuildHasher, Hasher as _};
use std::ops::Range;

use ahash::{AHasher, RandomState};
use outflow_connectors::contract::{Row, RowBatch, Schema};

use super::{BoundField, BoundFrom};
use crate::sync::spec::{MappingSpec, digest};
use crate::transform::encode::{Domain, Hasher};

/// Hashes the cells of rows.
pub struct SourceHash {
    /// Positions of the columns, in the order of their names.
    columns: Vec<usize>,
    keys: RandomState,
    circumstances: String,
}

impl SourceHash {
    /// Of the columns that a record's key and its compared fields are made of.
    pub(super) fn bind(
        spec: &MappingSpec,
        schema: &Schema,
        (key, fields): (&[usize], &[BoundField]),
        hasher: &Hasher,
    ) -> Self {
        let mut columns = key.to_vec();
        for (field, spec) in fields.iter().zip(&spec.fields) {
            if spec.diff || field.is_matched {
                field.from.columns(schema, &mut columns);
            }
        }
        let name = |column: &usize| schema.columns.get(*column).map(|column| column.name.as_str());
        columns.sort_by_key(|column| name(column));
        columns.dedup();
        let names: Vec<_> = columns.iter().map(name).collect();
        let conversions: Vec<_> =
            fields.iter().map(|field| (&field.conversion, field.normaliser.is_some())).collect();
        // AHash is another function on processors of another kind.
        let (version, kind) =
            (env!("CARGO_PKG_VERSION"), RandomState::with_seeds(1, 2, 3, 4).hash_one(0_u64));
        let mapping = spec.version().hash;
        let circumstances = digest(&format!("{version} {kind} {mapping} {names:?} {conversions:?}"));
        let key = |number: u8| {
            let mut message = Vec::new();
            Domain::Source.begin(&mut message);
            message.push(number);
            message.extend_from_slice(circumstances.as_bytes());
            hasher.finish_short(&mut message)
        };
        SourceHash { columns, keys: RandomState::with_seeds(key(0), key(1), key(2), key(3)), circumstances }
    }

    /// What decides what becomes of the cells, as a hash: those made under other circumstances are of no use.
    pub fn circumstances(&self) -> &str {
        &self.circumstances
    }

    /// The hashes of rows that come one after another; they replace what is in `into`.
    pub(super) fn of_block(&self, batch: &RowBatch, rows: Range<usize>, into: &mut Vec<AHasher>) {
        into.clear();
        into.resize(rows.len(), self.keys.build_hasher());
        for &column in &self.columns {
            batch.feed(column, rows.start, into);
        }
    }

    /// The hash of a row.
    #[inline]
    pub(super) fn of(&self, row: Row<'_>) -> u64 {
        let mut hasher = self.keys.build_hasher();
        for &column in &self.columns {
            row.feed(column, &mut hasher);
        }
        hasher.finish()
    }
}

impl BoundFrom {
    /// Appends the positions of the columns that the value is made of.
    pub(super) fn columns(&self, schema: &Schema, into: &mut Vec<usize>) {
        match self {
            BoundFrom::Column(column) => into.push(*column),
            BoundFrom::Template(template) => {
                into.extend(template.columns().iter().filter_map(|name| schema.position(name)));
            }
            BoundFrom::Value(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use outflow_connectors::contract::Catalog;
    use proptest::prelude::*;

    use super::super::Scratch;
    use super::super::tests::{COLUMNS, batch, catalogs, cells, fold, mapper, specs};
    use super::*;

    fn hashes(mapper: &super::super::Mapper, batch: &RowBatch) -> Vec<u64> {
        let (mut scratch, rows) = (Scratch::default(), batch.len());
        mapper.sources(batch, 0..rows, &mut scratch);
        (0..rows).filter_map(|row| scratch.source(row)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        /// Two rows, the second of which has some other cells: where the hashes are equal it is known to be valid exactly
        /// where it is, and to have the record of the first.
        #[test]
        fn rows_of_one_source_hash_have_one_record(
            spec in specs(),
            catalog in catalogs(),
            is_folded in any::<bool>(),
            row in prop::collection::vec(cells(), COLUMNS),
            others in prop::collection::vec((prop::bool::weighted(0.3), cells()), COLUMNS),
        ) {
            let mapper = mapper(spec, &catalog, is_folded.then_some(fold));
            let other: Vec<_> = row.iter().zip(others).map(|(cell, (is_other, other))| if is_other { other } else { cell.clone() }).collect();
            let both = batch(&[row, other].concat());
            let found = hashes(&mapper, &both);
            let mut rows = both.rows();
            let (Some(row), Some(other)) = (rows.next(), rows.next()) else { panic!("two rows") };
            prop_assert_eq!(&found, &[row, other].map(|row| mapper.source.of(row)));
            let of_cells = |row: Row<'_>| -> Vec<String> { mapper.source.columns.iter().map(|at| format!("{:?}", row.cell(*at))).collect() };
            let (mut scratch, same) = (Scratch::default(), of_cells(row) == of_cells(other));
            // Two forms of one cell may differ in their hashes; nothing else may be equal.
            prop_assert!(same || found[0] != found[1]);
            if let Ok(record) = mapper.hash(row, &mut scratch) && found[0] == found[1] {
                let known = mapper.known_destination(other, &mut scratch);
                match mapper.hash(other, &mut scratch) {
                    Ok(hashes) => {
                        prop_assert_eq!((hashes.key, hashes.fingerprint), (record.key, record.fingerprint));
                        prop_assert_eq!(hashes.fingerprint.source(), record.fingerprint.source());
                        prop_assert_eq!(known, Some(hashes.destination));
                    }
                    Err(_) => prop_assert_eq!(known, None),
                }
            }
        }
    }

    #[test]
    fn other_circumstances_make_other_hashes() {
        use crate::project::OnNull;
        use crate::sync::spec::{FieldSpec, FromSpec};
        use outflow_connectors::contract::{Cell, FieldType, Property};

        let field = FieldSpec {
            name: "plan".into(),
            from: FromSpec::Column("c3".into()),
            kind: FieldType::String,
            declared: true,
            scale: None,
            on_null: OnNull::Clear,
            diff: true,
            set: false,
        };
        let of = |fields| MappingSpec {
            encoding: 1,
            key: vec!["c0".into()],
            match_on: vec![],
            timezone: None,
            fields,
        };
        let spec = of(vec![field.clone()]);
        let longest = Property { max_length: Some(8), ..Property::new("plan", FieldType::String) };
        let shorter = Catalog { properties: vec![longest], open: true, ..Catalog::default() };
        let matched = MappingSpec { match_on: vec!["plan".into()], ..spec.clone() };
        let along = FieldSpec { name: "sent".into(), diff: false, ..field.clone() };
        let rows = batch(&[(); COLUMNS].map(|()| super::super::tests::Owned::Cell(Cell::Integer(1))));
        let made: Vec<_> = [
            mapper(spec.clone(), &Catalog::default(), None),
            mapper(spec, &shorter, None),
            mapper(matched.clone(), &Catalog::default(), None),
            mapper(matched, &Catalog::default(), Some(fold)),
            mapper(of(vec![FieldSpec { on_null: OnNull::Skip, ..field.clone() }]), &Catalog::default(), None),
            mapper(of(vec![field, along]), &Catalog::default(), None),
        ]
        .iter()
        .map(|mapper| (hashes(mapper, &rows), mapper.circumstances().to_owned()))
        .collect();
        for (at, (hash, circumstances)) in made.iter().enumerate() {
            assert!(made[..at].iter().all(|(other, others)| other != hash && others != circumstances));
        }
    }
}
