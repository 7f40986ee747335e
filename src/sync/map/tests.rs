//! [`Mapper::hash`] against [`Mapper::map`], over generated mappings and rows.

use std::sync::Arc;

use jiff::{Timestamp, civil};
use outflow_connectors::contract::{
    Catalog, Cell, Column, FieldType, Normaliser, Property, Row, RowBatch, RowBatchBuilder, Schema, Value,
};
use proptest::prelude::*;

use super::{Hashes, Mapper, Record, Scratch};
use crate::project::OnNull;
use crate::sync::spec::{FieldSpec, FromSpec, MappingSpec};
use crate::sync::spool::{Stored, field_hashes};
use crate::transform::encode::Hasher;

/// A cell that owns its content.
#[derive(Debug, Clone)]
pub(super) enum Owned {
    Cell(Cell<'static>),
    Text(String),
    Json(String),
    List(String),
    Bytes(Vec<u8>),
    /// As sources push it that read no calendar.
    Wall(i64, u32),
}

impl Owned {
    fn push(&self, out: &mut RowBatchBuilder) {
        match self {
            Owned::Cell(cell) => out.push(*cell),
            Owned::Text(s) => out.push(Cell::Text(s)),
            Owned::Json(s) => out.push(Cell::Json(s)),
            Owned::List(s) => out.push(Cell::List(s)),
            Owned::Bytes(b) => out.push(Cell::Bytes(b)),
            Owned::Wall(seconds, nanoseconds) => out.push_wall(*seconds, *nanoseconds),
        }
    }
}

pub(super) fn cells() -> impl Strategy<Value = Owned> {
    let cell = |strategy: BoxedStrategy<Cell<'static>>| strategy.prop_map(Owned::Cell);
    prop_oneof![
        cell(Just(Cell::Null).boxed()),
        cell(any::<bool>().prop_map(Cell::Bool).boxed()),
        cell(Just(Cell::Malformed("invalid UTF-8 at byte 3")).boxed()),
        numbers().prop_map(Owned::Cell),
        texts(),
        times(),
        prop::collection::vec(any::<u8>(), 0..4).prop_map(Owned::Bytes),
        prop_oneof!["null", "[1,2.50]", r#"\{"a":1\}"#, r#""x""#, "true", "1.0"].prop_map(Owned::Json),
        prop_oneof!["\\[\\]", r#"\["b","a","b"\]"#].prop_map(Owned::List),
    ]
}

fn numbers() -> impl Strategy<Value = Cell<'static>> {
    prop_oneof![
        prop_oneof![0..3_i64, -1000..1000_i64, any::<i64>()].prop_map(Cell::Integer),
        any::<u64>().prop_map(|bits| Cell::Float(f64::from_bits(bits))),
        prop_oneof![Just(0.0), Just(-0.0), Just(1.0), Just(f64::NAN), Just(f64::INFINITY)]
            .prop_map(Cell::Float),
        (-1_000_000_000..1_000_000_000_i64, 0..9_i32)
            .prop_map(|(n, places)| Cell::Float(n as f64 / 10_f64.powi(places))),
        // A half in the sixteenth digit, exactly.
        (1_u64 << 49..1 << 50, 1..4_u32).prop_map(|(n, k)| Cell::Float(n as f64 + 0.5_f64.powi(k as i32))),
        (-1e17..1e17_f64).prop_map(|f| Cell::Float(f.round())),
        (any::<i64>(), 0..25_u8).prop_map(|(digits, scale)| Cell::Decimal { digits: digits.into(), scale }),
        (any::<i128>(), any::<u8>()).prop_map(|(digits, scale)| Cell::Decimal { digits, scale }),
        (0..100_i128, 0..3_u8).prop_map(|(n, scale)| Cell::Decimal { digits: n * 100, scale }),
    ]
}

fn texts() -> impl Strategy<Value = Owned> {
    prop_oneof![
        Just(String::new()),
        ".{0,12}",
        "[a-z]{100,300}",
        "-?[0-9]{1,20}",
        "[+-]?[0-9]{0,3}\\.[0-9]{0,3}",
        prop_oneof!["t", "f", "true", "FALSE", "yes", "0", "1", "NaN", "null"],
        "[0-9]{4}-[01][0-9]-[0-3][0-9]",
        "[0-9]{4}-[01][0-9]-[0-3][0-9][ T][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,10})?(Z|\\+09:00)?",
        "(1|2)[09][0-9]{2}-0[1-9]-[0-2][0-9][ Tt][01][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?",
        " ?[0-9]{4}-02-29 ?",
    ]
    .prop_map(Owned::Text)
}

fn times() -> impl Strategy<Value = Owned> {
    let date = (-9999..=9999_i16, 1..=12_i8, 1..=28_i8).prop_map(|(y, m, d)| civil::date(y, m, d));
    prop_oneof![
        date.clone().prop_map(|d| Owned::Cell(Cell::Date(d))),
        (date, 0..24_i8, 0..1_000_000_000_i32)
            .prop_map(|(d, hour, nanos)| Owned::Cell(Cell::DateTime(d.at(hour, 0, 0, nanos)))),
        (-377_705_116_800..253_402_207_200_i64, 0..1_000_000_000_i32)
            .prop_map(|(s, n)| Owned::Cell(Cell::Timestamp(Timestamp::new(s, n).unwrap()))),
        (-100_000..100_000_i64).prop_map(|day| Owned::Wall(day * 86_400, 0)),
        (-4_000_000_000..4_000_000_000_i64, 0..1_000_000_000_u32).prop_map(|(s, n)| Owned::Wall(s, n)),
        prop_oneof![Just(i64::MAX), Just(253_402_300_799), Just(-377_705_116_800)]
            .prop_map(|s| Owned::Wall(s, 999_999_999)),
    ]
}

/// Columns of the generated rows: two of the key, then the rest.
pub(super) const COLUMNS: usize = 5;

fn schema() -> Arc<Schema> {
    let column = |i| Column { name: format!("c{i}"), declared: String::new() };
    Arc::new(Schema { columns: (0..COLUMNS).map(column).collect() })
}

pub(super) fn batch(cells: &[Owned]) -> RowBatch {
    let mut builder = RowBatchBuilder::new(schema());
    cells.iter().for_each(|cell| cell.push(&mut builder));
    builder.take()
}

/// One generated field beside its name.
fn fields() -> impl Strategy<Value = FieldSpec> {
    let from = prop_oneof![
        12 => (0..COLUMNS).prop_map(|i| FromSpec::Column(format!("c{i}"))),
        1 => Just(FromSpec::Template("{{ c3 or '' }}!".into())),
        1 => Just(FromSpec::Value("x".into())),
    ];
    let kind = prop::sample::select(FieldType::ALL.to_vec());
    let scale = prop_oneof![3 => Just(None), 2 => (0..40_u32).prop_map(Some)];
    let on_null = prop_oneof![Just(OnNull::Clear), Just(OnNull::Skip), Just(OnNull::Error)];
    (from, kind, scale, on_null, any::<bool>(), any::<bool>()).prop_map(
        |(from, kind, scale, on_null, diff, set)| FieldSpec {
            name: "".into(),
            // A constant has to fit its type.
            kind: if matches!(from, FromSpec::Value(_)) { FieldType::String } else { kind },
            from,
            declared: true,
            scale,
            on_null,
            diff,
            set,
        },
    )
}

pub(super) fn specs() -> impl Strategy<Value = MappingSpec> {
    let timezone = prop_oneof![3 => Just(None), 1 => Just(Some("Europe/Berlin".to_owned()))];
    let key = prop::sample::subsequence(vec!["c0".to_owned(), "c1".to_owned()], 1..=2);
    let matched = prop::sample::subsequence(vec![0_usize, 1, 2], 0..=2).prop_shuffle();
    (prop::collection::vec(fields(), 3..7), key, matched, timezone).prop_map(
        |(mut fields, key, matched, timezone)| {
            for (index, field) in fields.iter_mut().enumerate() {
                field.name = format!("f{index}").into();
            }
            let match_on = matched.iter().map(|index| format!("f{index}")).collect();
            MappingSpec { encoding: 1, key, match_on, timezone, fields }
        },
    )
}

/// What the destination's catalogue may add to a text field.
const RESERVED: &[&str] = &["12", "true"];

pub(super) fn catalogs() -> impl Strategy<Value = Catalog> {
    let options =
        prop_oneof![3 => Just(vec![]), 1 => Just(vec!["1".to_owned(), "x".to_owned(), "b".to_owned()])];
    let length = prop_oneof![3 => Just(None), 1 => Just(Some(8))];
    let scale = prop_oneof![2 => Just(None), 1 => (0..3_u32).prop_map(Some)];
    let reserved = prop_oneof![3 => Just(&[][..]), 1 => Just(RESERVED)];
    let property = (options, any::<bool>(), length, scale, reserved);
    prop::option::of(property).prop_map(|property| {
        let properties = property.map(|(options, multiple, max_length, scale, reserved)| Property {
            options,
            multiple,
            max_length,
            scale,
            reserved,
            ..Property::new("f1", FieldType::String)
        });
        Catalog { properties: properties.into_iter().collect(), open: true, ..Catalog::default() }
    })
}

pub(super) fn fold(value: Value) -> Value {
    match value {
        Value::Text(text) => Value::Text(text.trim().to_lowercase()),
        other => other,
    }
}

pub(super) fn mapper(spec: MappingSpec, catalog: &Catalog, normaliser: Option<Normaliser>) -> Mapper {
    let hasher = Arc::new(Hasher::new(b"salt"));
    let mut mapper =
        Mapper::bind(Arc::new(spec), &schema(), catalog, hasher, Arc::new(move |_| normaliser)).ok().unwrap();
    // Otherwise some mappings have no destination hash to compare.
    mapper.track_destinations();
    mapper
}

/// The fields of a row that has no fault, as the spool has them.
fn stored<'a>(mapper: &Mapper, row: Row<'_>, fields: &'a mut Vec<u8>) -> Stored<'a> {
    fields.clear();
    mapper.encode_fields(row, fields);
    let Record { key, fingerprint, destination_hash, .. } = mapper.map(row).unwrap();
    Stored { key, fingerprint, destination_hash, key_values: &[], destination_key: &[], fields }
}

/// Whether an object that has the old record already has all of the new one.
fn says_all(new: &Mapper, (record, old): (&Record, &Record), older: &Mapper) -> bool {
    let mut compared = new.spec.fields.iter().zip(&record.fields).filter(|(field, _)| field.diff);
    record.destination_hash == old.destination_hash
        && compared.all(|(field, value)| {
            let known = older.spec.fields.iter().position(|old| old.name == field.name && old.diff);
            known.map_or(value.is_none(), |known| {
                let before = &older.spec.fields[known];
                let is_matched = |spec: &MappingSpec| spec.match_on.iter().any(|name| **name == *field.name);
                let is_retyped = !field.declared
                    && !before.declared
                    && FieldSpec { kind: before.kind, ..field.clone() } == *before
                    && new.spec.timezone == older.spec.timezone
                    && is_matched(&new.spec) == is_matched(&older.spec);
                old.fields[known] == *value || is_retyped
            })
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_row_has_the_hashes_and_the_faults_of_its_record(
        spec in specs(),
        catalog in catalogs(),
        is_folded in any::<bool>(),
        rows in prop::collection::vec(prop::collection::vec(cells(), COLUMNS), 1..8),
    ) {
        let mapper = mapper(spec, &catalog, is_folded.then_some(fold));
        let batch = batch(&rows.concat());
        let (mut scratch, mut fields, mut hashed) = (Scratch::default(), Vec::new(), Vec::new());
        for row in batch.rows() {
            let expected = mapper.map(row).map(|record| Hashes::of(&record));
            prop_assert_eq!(mapper.hash(row, &mut scratch), expected);
            let Ok(record) = mapper.map(row) else { continue };
            hashed.push((row, scratch.last()));
            prop_assert_eq!(field_hashes(&mapper, &stored(&mapper, row, &mut fields)).unwrap(), mapper.field_hashes(&record));
        }
        for (row, last) in hashed.into_iter().filter(|_| mapper.compares_all()) {
            fields.clear();
            mapper.encode_fields(row, &mut fields);
            prop_assert_eq!(scratch.fields(last), &fields[..], "each row's own");
        }
    }

    #[test]
    fn a_row_is_covered_where_its_old_record_says_all_that_the_new_one_does(
        (old, other) in (specs(), specs()),
        edited in prop::collection::vec(0_u8..12, 7),
        moved in prop::sample::select(vec![0_u8, 0, 0, 1, 2]),
        is_folded in any::<bool>(),
        rows in prop::collection::vec(prop::collection::vec(cells(), COLUMNS), 1..8),
    ) {
        let mut old = MappingSpec { key: vec!["c0".to_owned()], ..old };
        old.fields.iter_mut().enumerate().for_each(|(place, field)| field.declared = place % 2 == 0);
        let mut new = old.clone();
        for ((place, field), edit) in new.fields.iter_mut().enumerate().zip(edited) {
            match (edit, other.fields.get(place)) {
                (1, Some(other)) => *field = FieldSpec { declared: field.declared, ..other.clone() },
                (2, _) => field.kind = FieldType::String,
                (3, _) => field.diff = !field.diff,
                (4, _) => field.on_null = OnNull::Clear,
                _ => {}
            }
        }
        match moved {
            1 => new.match_on = other.match_on.clone(),
            2 => new.timezone = other.timezone.clone(),
            _ => {}
        }
        new.fields.truncate(other.fields.len().max(3));
        let normaliser: Option<Normaliser> = is_folded.then_some(fold);
        let (new, old) = (mapper(new, &Catalog::default(), normaliser), mapper(old, &Catalog::default(), normaliser));
        let edit = new.edit_of(&old);
        let batch = batch(&rows.concat());
        for row in batch.rows() {
            let (Ok(record), Ok(before)) = (new.map(row), old.map(row)) else { continue };
            prop_assert_eq!(new.is_covered(row, (&old, &edit)), says_all(&new, (&record, &before), &old));
        }
    }

    /// Rows that nothing is wrong with, so that the hashes are really compared: one cell under every type.
    #[test]
    fn a_valid_field_has_the_bytes_of_its_value(cell in cells(), kind in prop::sample::select(FieldType::ALL.to_vec()), scale in prop::option::of(0..6_u32), kept in prop::option::of(0..3_u32), length in prop::option::of(Just(8))) {
        let field = |name: &str, from: &str, kind| FieldSpec {
            name: name.into(),
            from: FromSpec::Column(from.into()),
            kind,
            declared: true,
            scale,
            on_null: OnNull::Clear,
            diff: true,
            set: false,
        };
        let spec = MappingSpec {
            encoding: 1,
            key: vec!["c0".into()],
            match_on: vec!["id".into()],
            timezone: None,
            fields: vec![field("a", "c1", kind), field("id", "c0", FieldType::String)],
        };
        let property = Property { scale: kept, max_length: length, ..Property::new("a", kind) };
        let mapper = mapper(spec, &Catalog { properties: vec![property], open: true, ..Catalog::default() }, None);
        let filler = Owned::Cell(Cell::Integer(7));
        let batch = batch(&[filler.clone(), cell, filler.clone(), filler.clone(), filler]);
        let row = batch.rows().next().unwrap();
        let expected = mapper.map(row).map(|record| Hashes::of(&record));
        let is_valid = expected.is_ok();
        prop_assert_eq!(mapper.hash(row, &mut Scratch::default()), expected);
        if let Ok(record) = mapper.map(row) {
            let mut fields = Vec::new();
            let stored = stored(&mapper, row, &mut fields);
            let hashes = field_hashes(&mapper, &stored).unwrap();
            prop_assert_eq!(hashes.len(), 2);
            prop_assert_eq!(&hashes, &mapper.field_hashes(&record));
            // By the values that the spool gives back they are the same.
            prop_assert_eq!(hashes, mapper.field_hashes(&stored.to_record().unwrap()));
        }
        // The quick way gives no answer of its own to an invalid row, and one to every valid row.
        prop_assert_eq!(mapper.quick(row, &mut Scratch::default()).is_some(), is_valid);
    }
}

/// One field of `c3`, of a type that the catalogue says.
fn of_catalogue(kind: FieldType, on_null: OnNull, timezone: Option<&str>) -> Mapper {
    let field = FieldSpec {
        name: "score".into(),
        from: FromSpec::Column("c3".into()),
        kind,
        declared: false,
        scale: None,
        on_null,
        diff: true,
        set: false,
    };
    let (key, timezone) = (vec!["c0".to_owned()], timezone.map(str::to_owned));
    let spec = MappingSpec { encoding: 1, key, match_on: vec![], timezone, fields: vec![field] };
    mapper(spec, &Catalog::default(), None)
}

#[test]
fn a_type_that_the_catalogue_changed_hides_no_edit() {
    let cells = [Cell::Integer(1), Cell::Null, Cell::Null, Cell::Null, Cell::Null].map(Owned::Cell);
    let batch = batch(&cells);
    let old = of_catalogue(FieldType::String, OnNull::Skip, None);
    for (new, is_covered) in [
        (of_catalogue(FieldType::Integer, OnNull::Skip, None), true),
        (of_catalogue(FieldType::Integer, OnNull::Clear, None), false),
        (of_catalogue(FieldType::String, OnNull::Clear, None), false),
        (of_catalogue(FieldType::String, OnNull::Skip, Some("Europe/Berlin")), true),
    ] {
        let edit = new.edit_of(&old);
        assert!(batch.rows().all(|row| new.is_covered(row, (&old, &edit)) == is_covered));
    }
}

#[test]
fn a_time_in_another_zone_is_another_time() {
    let time = Cell::DateTime(civil::date(2026, 1, 2).at(3, 4, 5, 0));
    let cells = [Cell::Integer(1), Cell::Null, Cell::Null, time, Cell::Null].map(Owned::Cell);
    let batch = batch(&cells);
    let zoned = |zone| of_catalogue(FieldType::DateTime, OnNull::Skip, zone);
    let (old, new) = (zoned(None), zoned(Some("Europe/Berlin")));
    for (new, is_covered) in [(&new, false), (&old, true)] {
        let edit = new.edit_of(&old);
        assert!(batch.rows().all(|row| new.is_covered(row, (&old, &edit)) == is_covered));
    }
}
