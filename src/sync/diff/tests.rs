//! The diff against a model that holds everything in maps.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use outflow_connectors::contract::{Catalog, Cell, Column, FieldType, RowBatch, RowBatchBuilder, Schema};
use proptest::prelude::*;

use super::candidates::Class;
use super::delta::Delta;
use super::differ::{Baseline, Differ};
use crate::ledger::{By, Detail, KeyHash, Ledger, RecordHash, State, Tags};
use crate::project::{Mode, OnDuplicateKey, OnNull};
use crate::sync::map::{Mapper, Scratch};
use crate::sync::spec::{FieldSpec, FromSpec, MappingSpec};
use crate::sync::spool::Space;
use crate::transform::encode::{ENCODING_VERSION, Hasher};

/// Primary key, match key, content; a negative content makes the row invalid.
type Line = (u8, u8, i8);

fn schema() -> Arc<Schema> {
    let column = |name: &str| Column { name: name.into(), declared: String::new() };
    Arc::new(Schema { columns: ["id", "email", "score"].map(column).to_vec() })
}

fn mapper() -> Mapper {
    let field = |name: &str, kind| FieldSpec {
        name: name.into(),
        from: FromSpec::Column(name.into()),
        kind,
        declared: true,
        scale: None,
        on_null: OnNull::Error,
        diff: true,
        set: false,
    };
    let spec = MappingSpec {
        encoding: ENCODING_VERSION,
        key: vec!["id".into()],
        match_on: vec!["email".into()],
        timezone: None,
        fields: vec![field("email", FieldType::String), field("score", FieldType::Integer)],
    };
    let normalise = Arc::new(|_: &str| None);
    let catalog = Catalog::default();
    match Mapper::bind(Arc::new(spec), &schema(), &catalog, Arc::new(Hasher::new(b"salt")), normalise) {
        Ok(mapper) => mapper,
        Err(faults) => panic!("{faults:?}"),
    }
}

fn batch(lines: &[Line]) -> RowBatch {
    let mut builder = RowBatchBuilder::new(schema());
    for (key, email, score) in lines {
        builder.push(Cell::Integer(i64::from(*key)));
        builder.push(Cell::Text(&format!("{email}@x")));
        builder.push(if *score < 0 { Cell::Null } else { Cell::Integer(i64::from(*score)) });
    }
    builder.take()
}

/// Keys of valid lines, their fingerprints and destination hashes.
fn hashes(lines: &[Line]) -> Vec<(KeyHash, RecordHash, u64)> {
    let (mapper, mut scratch) = (mapper(), Scratch::default());
    let rows = batch(lines);
    rows.rows()
        .map(|row| match mapper.hash(row, &mut scratch) {
            Ok(hashes) => (hashes.key, hashes.fingerprint, hashes.destination),
            Err(fault) => (fault.key.unwrap(), RecordHash::REMOVED, fault.destination.unwrap()),
        })
        .collect()
}

struct World {
    _folder: tempfile::TempDir,
    ledger: Ledger,
    space: Space,
}

fn world(held: &BTreeMap<u8, Line>, memory: usize) -> World {
    world_of(held, memory, |_| false)
}

/// Some of the ledger's entries were made of other cells.
fn world_of(held: &BTreeMap<u8, Line>, memory: usize, is_stale: impl Fn(u8) -> bool) -> World {
    let folder = tempfile::tempdir().unwrap();
    let lease = State::open(folder.path()).unwrap().acquire("s").unwrap();
    let ledger = Ledger::open(&Ledger::path(folder.path(), "s"), &lease).unwrap();
    let lines: Vec<Line> = held.values().copied().collect();
    let entries: Vec<_> = hashes(&lines)
        .into_iter()
        .zip(held.keys())
        .map(|((key, record, destination_hash), id)| {
            let source = record.source() ^ u64::from(is_stale(*id));
            let record = RecordHash::new(record.0, source);
            (key, record, Some(Detail { destination_hash, ..Detail::default() }))
        })
        .collect();
    ledger.rebase(&entries).unwrap();
    let space = Space::new(folder.path(), u64::MAX, memory);
    World { _folder: folder, ledger, space }
}

fn diff(world: &World, lines: &[Line], policy: OnDuplicateKey) -> Delta {
    diff_by(By::Fingerprint, world, (lines, policy))
}

fn diff_by(by: By, world: &World, rows: (&[Line], OnDuplicateKey)) -> Delta {
    let tags = world.ledger.tags(by).unwrap();
    let restates = by == By::Fingerprint;
    diff_against(world, Baseline { tags, full_refresh: false, restates, ..of_all_rows() }, rows)
}

/// The entries that the ledger is to have in place of others, each by what it holds of the row.
fn restated(delta: &Delta) -> HashMap<KeyHash, (u64, u64)> {
    let restated = delta.restated.slice(0, 1000).unwrap().into_iter();
    restated.map(|row| (row.key, (row.record.fingerprint(), row.record.source()))).collect()
}

/// Every row counts as changed, and none is looked up.
fn of_all_rows() -> Baseline {
    Baseline {
        part: false,
        tags: Tags::empty(),
        dirty: HashMap::new(),
        mode: Mode::Upsert,
        full_refresh: true,
        backfill: false,
        tracked: false,
        restates: false,
        rekeys: false,
    }
}

fn diff_against(world: &World, baseline: Baseline, (lines, policy): (&[Line], OnDuplicateKey)) -> Delta {
    let mut differ = Differ::new(baseline, mapper(), Vec::new(), &world.space).unwrap();
    for rows in lines.chunks(7).map(batch) {
        let compared = differ.comparer().compare(&rows);
        differ.accept(&rows, compared).unwrap();
    }
    differ.finish(policy, Some(&world.ledger)).unwrap()
}

/// What the whole should come to.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    added: BTreeSet<Line>,
    changed: BTreeSet<Line>,
    vanished: BTreeSet<u8>,
    unchanged: u64,
    invalid: u64,
    duplicates: u64,
}

fn model(held: &BTreeMap<u8, Line>, lines: &[Line], policy: OnDuplicateKey) -> Outcome {
    let mut dropped = vec![false; lines.len()];
    let mut refused = vec![false; lines.len()];
    let groups = |name: fn(&Line) -> u8, take: &dyn Fn(usize) -> bool| -> Vec<Vec<usize>> {
        let mut groups: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
        for (index, line) in lines.iter().enumerate().filter(|(index, _)| take(*index)) {
            groups.entry(name(line)).or_default().push(index);
        }
        groups.into_values().filter(|group| group.len() > 1).collect()
    };
    for round in 0..2 {
        let found = match round {
            0 => groups(|line| line.0, &|_| true),
            _ => groups(|line| line.1, &|index| !dropped[index] && lines[index].2 >= 0),
        };
        for group in found {
            match policy {
                OnDuplicateKey::First => group[1..].iter().for_each(|index| dropped[*index] = true),
                OnDuplicateKey::Last => {
                    group[..group.len() - 1].iter().for_each(|index| dropped[*index] = true)
                }
                _ => group.iter().for_each(|index| refused[*index] = true),
            }
        }
    }
    let is_there = |key: &u8| lines.iter().any(|line| line.0 == *key);
    let vanished = held.keys().filter(|key| !is_there(key)).copied().collect();
    let mut outcome = Outcome { vanished, ..Outcome::default() };
    for (index, line) in lines.iter().enumerate() {
        match (dropped[index], refused[index] || line.2 < 0, held.get(&line.0)) {
            (true, _, _) => outcome.duplicates += 1,
            (_, true, _) => outcome.invalid += 1,
            (_, _, Some(old)) if old == line => outcome.unchanged += 1,
            (_, _, Some(_)) => drop(outcome.changed.insert(*line)),
            (_, _, None) => drop(outcome.added.insert(*line)),
        }
    }
    outcome
}

fn outcome(delta: &Delta, lines: &[Line], held: &BTreeMap<u8, Line>) -> Outcome {
    let known: HashMap<(KeyHash, u64), Line> = hashes(lines)
        .into_iter()
        .zip(lines)
        .map(|((key, record, _), line)| ((key, record.fingerprint()), *line))
        .collect();
    let of = |class| -> BTreeSet<Line> {
        let candidates = delta.candidates.slice(0, usize::MAX >> 16).unwrap();
        candidates
            .iter()
            .filter(|c| c.class == class)
            .map(|c| known[&(c.head.key, c.head.fingerprint.fingerprint())])
            .collect()
    };
    let held: Vec<Line> = held.values().copied().collect();
    let keys: HashMap<KeyHash, u8> =
        hashes(&held).into_iter().map(|h| h.0).zip(held.iter().map(|l| l.0)).collect();
    Outcome {
        added: of(Class::Add),
        changed: of(Class::Change),
        vanished: delta.vanished.slice(0, 1000).unwrap().iter().map(|key| keys[key]).collect(),
        unchanged: delta.unchanged(),
        invalid: delta.invalid(),
        duplicates: delta.duplicates_dropped,
    }
}

fn policies() -> impl Strategy<Value = OnDuplicateKey> {
    prop_oneof![Just(OnDuplicateKey::First), Just(OnDuplicateKey::Last), Just(OnDuplicateKey::Reject)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_row_and_every_entry_is_accounted_for(
        held in proptest::collection::btree_map(0_u8..24, (0_u8..1, 0_i8..3), 0..20),
        lines in proptest::collection::vec((0_u8..26, 0_u8..40, -1_i8..3), 0..40),
        same in proptest::collection::vec(any::<bool>(), 40),
        stale in proptest::collection::vec(any::<bool>(), 24),
        policy in policies(),
        memory in prop_oneof![Just(1_usize), Just(100), Just(1 << 20)],
    ) {
        // Match keys of the ledger are distinct, as those of a destination are.
        let held: BTreeMap<u8, Line> =
            held.into_iter().map(|(key, (_, score))| (key, (key, key, score))).collect();
        // Many lines are what the ledger has.
        let lines: Vec<Line> = lines
            .into_iter()
            .zip(same)
            .map(|(line, same)| if same { *held.get(&line.0).unwrap_or(&line) } else { line })
            .collect();
        let world = world(&held, memory);
        let delta = diff(&world, &lines, policy);
        let expected = model(&held, &lines, policy);
        let all = diff_against(&world, of_all_rows(), (&lines, policy));
        let sent = Outcome { changed: outcome(&all, &lines, &held).changed, unchanged: expected.unchanged, ..outcome(&all, &lines, &held) };
        prop_assert_eq!(sent.changed.len() as u64, expected.changed.len() as u64 + expected.unchanged);
        prop_assert!(expected.changed.is_subset(&sent.changed));
        prop_assert_eq!((all.unchanged(), all.live, delta.live), (0, held.len() as u64, held.len() as u64));
        prop_assert_eq!(&Outcome { changed: expected.changed.clone(), ..sent }, &expected);
        prop_assert_eq!(&outcome(&delta, &lines, &held), &expected);
        let world = world_of(&held, memory, |id| stale[usize::from(id)]);
        let ids = held.values().copied().collect::<Vec<_>>();
        let known: HashMap<_, _> = hashes(&ids).into_iter().map(|(key, record, _)| (key, (record.fingerprint(), record.source()))).collect();
        for by in [By::Fingerprint, By::Source] {
            let delta = diff_by(by, &world, (&lines, policy));
            prop_assert_eq!(&outcome(&delta, &lines, &held), &expected, "{:?}", by);
            let restated = restated(&delta);
            prop_assert!(restated.iter().all(|(key, of)| known[key] == *of), "what is restated is what is held");
            // The rows that count as unchanged, where no other row has a say in them.
            if by == By::Fingerprint || expected.duplicates == 0 && policy != OnDuplicateKey::Reject {
                let wanted = held.values().zip(hashes(&ids)).filter(|(line, _)| by == By::Fingerprint || stale[usize::from(line.0)]);
                let missing = wanted.filter(|(line, (key, ..))| lines.contains(line) && !restated.contains_key(key)).count();
                prop_assert_eq!(missing, 0);
            }
        }
        let rows = delta.rows;
        let candidates = delta.candidates.count(Class::Add) + delta.candidates.count(Class::Change);
        prop_assert_eq!(rows, candidates + delta.unchanged() + delta.invalid());
    }
}

#[test]
fn an_unchanged_and_a_changed_row_of_one_key_are_told_apart_by_their_order() {
    let held = BTreeMap::from([(1, (1, 1, 0))]);
    let world = world(&held, 1 << 20);
    for (lines, policy, unchanged, changed) in [
        ([(1, 1, 0), (1, 1, 2)], OnDuplicateKey::First, 1, 0),
        ([(1, 1, 2), (1, 1, 0)], OnDuplicateKey::First, 0, 1),
        ([(1, 1, 0), (1, 1, 2)], OnDuplicateKey::Last, 0, 1),
        ([(1, 1, 2), (1, 1, 0)], OnDuplicateKey::Last, 1, 0),
    ] {
        let delta = diff(&world, &lines, policy);
        let found = (delta.unchanged(), delta.candidates.count(Class::Change), delta.duplicates_dropped);
        assert_eq!(found, (unchanged, changed, 1), "{lines:?} {policy:?}");
    }
}

#[test]
fn a_key_that_changed_with_its_record_kept_is_one_added_and_one_removed() {
    let held = BTreeMap::from([(1, (1, 7, 0))]);
    let world = world(&held, 1 << 20);
    let delta = diff(&world, &[(2, 7, 0)], OnDuplicateKey::Fail);
    assert_eq!((delta.candidates.count(Class::Add), delta.vanished.len(), delta.unchanged()), (1, 1, 0));
}
