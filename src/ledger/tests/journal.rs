//! Intents, dirty keys, settlements, refusals.

use std::collections::{HashMap, HashSet};

use super::support::*;
use crate::error::ErrorKind;
use crate::ledger::*;
use outflow_connectors::contract::Verb;

fn intent(keys: impl IntoIterator<Item = u64>) -> Intent {
    Intent::of("r1", Verb::Upsert, &keys.into_iter().map(entry).collect::<Vec<_>>())
}

fn settled(n: u64, result: Settlement) -> Settled {
    Settled { key: key(n), result }
}

fn dirty(ledger: &Ledger) -> Vec<(BatchId, Vec<KeyHash>)> {
    let open = ledger.open_intents().unwrap();
    open.into_iter().map(|intent| (intent.batch, intent.entries.iter().map(|e| e.key).collect())).collect()
}

#[test]
fn an_intent_survives_the_process_and_comes_back_whole() {
    let home = Home::new();
    let ledger = home.ledger(1);
    let batch = ledger.begin(&intent([3, 1, 2])).unwrap();
    ledger.store_handle(batch, "job/42").unwrap();
    drop(ledger);
    let open = home.ledger(2).open_intents().unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].batch, open[0].run_id.as_str(), open[0].verb), (batch, "r1", Verb::Upsert));
    assert_eq!(open[0].handle.as_deref(), Some("job/42"));
    assert_eq!(open[0].entries, [entry(3), entry(1), entry(2)]);
}

#[test]
fn a_batch_is_read_whole_whatever_of_it_is_clean() {
    let home = Home::new();
    let ledger = home.ledger(1);
    let batch = ledger.begin(&intent([3, 1, 2])).unwrap();
    ledger.settle(batch, &[delivered(1)]).unwrap();
    assert_eq!(dirty(&ledger), [(batch, vec![key(3), key(2)])]);
    ledger.begin(&intent([2])).unwrap();
    let unsettled: HashSet<_> = ledger.unsettled_keys().unwrap().into_iter().collect();
    assert_eq!(unsettled, HashSet::from([key(2), key(3)]));
    assert_eq!(ledger.unsettled_keys().unwrap().len(), 2, "each once");
    assert_eq!(ledger.batch_entries(batch).unwrap(), [entry(3), entry(1), entry(2)]);
    ledger.settle(batch, &[delivered(2), delivered(3)]).unwrap();
    assert!(ledger.batch_entries(batch).unwrap().is_empty(), "it is closed");
}

#[test]
fn each_settlement_does_what_it_says() {
    let home = Home::new();
    let ledger = home.ledger(1);
    let first = ledger.begin(&intent(1..=6)).unwrap();
    ledger.settle(first, &(1..=6).map(delivered).collect::<Vec<_>>()).unwrap();
    assert!(ledger.open_intents().unwrap().is_empty());
    assert_eq!(ledger.entries().unwrap(), 6);
    let batch = ledger.begin(&intent(1..=6)).unwrap();
    assert!(batch > first);
    let changed = Settlement::Delivered { record: record(99), detail: Some(Box::new(detail(99))) };
    ledger
        .settle(
            batch,
            &[
                settled(1, changed),
                settled(2, Settlement::Removed),
                settled(3, Settlement::Gone { detail: Box::new(detail(3)) }),
                settled(4, Settlement::Refused(Box::new(refusal(4)))),
                settled(5, Settlement::Untouched),
                settled(6, Settlement::Unknown),
            ],
        )
        .unwrap();
    let live = live(&ledger);
    let record_of = |n| live.get(&key(n)).copied();
    assert_eq!(record_of(1), Some(record(99)));
    assert_eq!((record_of(2), record_of(3)), (None, None));
    assert_eq!(
        (record_of(4), record_of(5), record_of(6)),
        (Some(record(4)), Some(record(5)), Some(record(6)))
    );
    let details = ledger.details(&(1..=6).map(key).collect::<Vec<_>>()).unwrap();
    assert_eq!(details[&key(1)], detail(99));
    assert!(!details.contains_key(&key(2)));
    assert_eq!(details[&key(3)], Detail { gone: true, ..detail(3) });
    assert_eq!(ledger.refusals().unwrap(), [refusal(4)]);
    assert_eq!(dirty(&ledger), [(batch, vec![key(6)])]);
}

#[test]
fn proof_cleans_a_key_everywhere_and_a_refusal_only_its_batch() {
    let home = Home::new();
    let ledger = home.ledger(1);
    let old = ledger.begin(&intent([1, 2, 3])).unwrap();
    let new = ledger.begin(&intent([1, 2, 3])).unwrap();
    let result = [
        delivered(1),
        settled(2, Settlement::Refused(Box::new(refusal(2)))),
        settled(3, Settlement::Untouched),
    ];
    ledger.settle(new, &result).unwrap();
    assert_eq!(dirty(&ledger), [(old, vec![key(2), key(3)])]);
    ledger.drop_dirty(&[key(2)]).unwrap();
    assert_eq!(dirty(&ledger), [(old, vec![key(3)])]);
    ledger.settle(old, &[delivered(3)]).unwrap();
    assert!(dirty(&ledger).is_empty());
}

#[test]
fn a_batch_that_arrived_as_a_whole_cleans_its_keys_everywhere() {
    let home = Home::new();
    let ledger = home.ledger(1);
    let begin = |keys: &[u64]| ledger.begin(&intent(keys.iter().copied())).unwrap();
    let (old, whole, torn, twice) = (begin(&[1, 2, 3]), begin(&[2, 1]), begin(&[3, 4, 5]), begin(&[6, 6]));
    let all = |keys: &[u64]| keys.iter().map(|n| delivered(*n)).collect::<Vec<_>>();
    let some = vec![delivered(4), settled(5, Settlement::Unknown), settled(3, Settlement::Untouched)];
    ledger.settle_all(vec![(whole, all(&[2, 1])), (torn, some), (twice, all(&[6, 6]))]).unwrap();
    assert_eq!(dirty(&ledger), [(old, vec![key(3)]), (torn, vec![key(5)])]);
    // In another order than the batch has.
    let other = begin(&[7, 8]);
    ledger.settle_all(vec![(other, all(&[8, 7])), (old, all(&[3])), (torn, all(&[5]))]).unwrap();
    assert!(dirty(&ledger).is_empty());
    assert_eq!(ledger.entries().unwrap(), 8);
    ledger.settle(whole, &all(&[1])).unwrap();
    assert_eq!(live(&ledger).len(), 8, "a batch that is closed may be settled again");
}

#[test]
fn delivery_and_removal_forget_the_refusal() {
    let home = Home::new();
    let ledger = home.ledger(1);
    let batch = ledger.begin(&intent([1, 2, 3])).unwrap();
    let refuse = |n| settled(n, Settlement::Refused(Box::new(refusal(n))));
    ledger.settle(batch, &[refuse(1), refuse(2), refuse(3)]).unwrap();
    assert_eq!(ledger.refusals().unwrap().len(), 3);
    let batch = ledger.begin(&intent([1, 2])).unwrap();
    ledger.settle(batch, &[delivered(1), settled(2, Settlement::Removed)]).unwrap();
    assert_eq!(ledger.refusals().unwrap(), [refusal(3)]);
    ledger.forget_refusals(&[key(3)]).unwrap();
    assert!(ledger.refusals().unwrap().is_empty());
}

#[test]
fn retry_releases_every_refusal_at_once_but_those_that_are_held() {
    let home = Home::new();
    let ledger = home.ledger(1);
    let batch = ledger.begin(&intent([1, 2, 4])).unwrap();
    let refuse = |n| settled(n, Settlement::Refused(Box::new(refusal(n))));
    let held = Settlement::Refused(Box::new(Refusal { code: "HELD".into(), ..refusal(4) }));
    ledger.settle(batch, &[refuse(1), refuse(2), settled(4, held)]).unwrap();
    assert_eq!(ledger.release_refusals(&["HELD"]).unwrap(), (2, 1));
    let released: Vec<_> =
        ledger.refusals().unwrap().iter().map(|r| (r.parked, r.next_run, r.first_run)).collect();
    assert_eq!(released, [(false, 0, 7), (false, 0, 7), (true, 11, 7)]);
}

#[test]
fn invalid_rows_keep_when_they_were_first_seen() {
    let home = Home::new();
    let ledger = home.ledger(1);
    let row = |key: &str, seen| InvalidRow {
        key_text: key.into(),
        field: Some("email".into()),
        code: "null_key".into(),
        message: "empty".into(),
        first_seen: time(seen),
        last_seen: time(seen),
        run_id: "r".into(),
    };
    ledger.replace_invalid_rows(&[row("b", 1), row("a", 1)]).unwrap();
    ledger.replace_invalid_rows(&[row("c", 2), row("b", 2)]).unwrap();
    let expected = [row("c", 2), InvalidRow { first_seen: time(1), ..row("b", 2) }];
    assert_eq!(ledger.invalid_rows().unwrap(), expected);
}

#[test]
fn a_destination_key_is_held_by_a_live_row_only() {
    let home = Home::new();
    let ledger = home.ledger(1);
    let batch = ledger.begin(&intent([1, 2, 3])).unwrap();
    ledger.settle(batch, &[delivered(1), delivered(2), delivered(3)]).unwrap();
    ledger.mark_gone(&[key(2), key(9)]).unwrap();
    let holders = ledger.destination_holders(&[u64::MAX - 1, u64::MAX - 2, 0, 5]).unwrap();
    assert_eq!(holders, HashMap::from([(u64::MAX - 1, key(1))]));
    let gone = ledger.details(&[key(2), key(9)]).unwrap();
    assert_eq!(gone[&key(2)], Detail { gone: true, ..detail(2) });
    assert!(gone[&key(9)].gone);
    assert_eq!(ledger.entries().unwrap(), 2);
}

#[test]
fn a_batch_of_nothing_does_not_stay_open() {
    let home = Home::new();
    let ledger = home.ledger(1);
    let batch = ledger.begin(&intent([])).unwrap();
    ledger.settle(batch, &[]).unwrap();
    assert!(ledger.open_intents().unwrap().is_empty());
}

#[test]
fn a_ledger_opened_for_reading_refuses_to_write() {
    let home = Home::new();
    home.ledger(1).close().unwrap();
    let ledger = Ledger::read(&home.file()).unwrap().unwrap();
    assert_eq!(ledger.begin(&intent([1])).unwrap_err().kind, ErrorKind::Internal);
}

#[test]
fn batches_settled_together_come_to_what_each_alone_does() {
    let (one, all) = (Home::new(), Home::new());
    let (one, all) = (one.ledger(1), all.ledger(1));
    let refuse = |n| settled(n, Settlement::Refused(Box::new(refusal(n))));
    let intents: Vec<_> = (0..5).map(|n| intent(n * 10..n * 10 + 12)).collect();
    let batches = all.begin_all(intents.clone()).unwrap();
    assert_eq!(batches, intents.iter().map(|intent| one.begin(intent).unwrap()).collect::<Vec<_>>());
    // Keys 10 and 11, 20 and 21 ... are in two batches.
    let results = [
        vec![delivered(1), refuse(2), refuse(10), settled(11, Settlement::Removed)],
        vec![settled(10, Settlement::Untouched), delivered(20), delivered(2)],
        vec![
            settled(21, Settlement::Unknown),
            settled(22, Settlement::Gone { detail: Box::new(detail(22)) }),
        ],
        (30..42).map(delivered).collect(),
        vec![refuse(40), refuse(41)],
    ];
    let group: Vec<_> = batches.iter().copied().zip(results).collect();
    for (batch, settled) in &group {
        one.settle(*batch, settled).unwrap();
    }
    all.settle_all(group).unwrap();
    let told = |ledger: &Ledger| {
        let live: Vec<_> = ledger.live_entries().unwrap().map(Result::unwrap).collect();
        let details = ledger.details(&(0..60).map(key).collect::<Vec<_>>()).unwrap();
        (dirty(ledger), live, ledger.refusals().unwrap(), details)
    };
    assert_eq!(told(&one), told(&all));
    assert_eq!(dirty(&all).iter().map(|(_, keys)| keys.len()).collect::<Vec<_>>(), [8, 9, 8, 10]);
}

#[test]
fn a_group_is_taken_in_whole_or_not_at_all() {
    let home = Home::new();
    let ledger = home.ledger(1);
    let batches = ledger.begin_all(vec![intent([1, 2]), intent([3])]).unwrap();
    ledger.owner.call(|conn| Ok(conn.execute_batch("ALTER TABLE refusal RENAME TO elsewhere")?)).unwrap();
    let before = dirty(&ledger);
    let refuse = settled(3, Settlement::Refused(Box::new(refusal(3))));
    let group = vec![(batches[0], vec![delivered(1)]), (batches[1], vec![refuse])];
    assert!(ledger.settle_all(group.clone()).is_err());
    ledger.owner.call(|conn| Ok(conn.execute_batch("ALTER TABLE elsewhere RENAME TO refusal")?)).unwrap();
    assert_eq!((dirty(&ledger), ledger.entries().unwrap()), (before, 0));
    ledger.settle_all(group).unwrap();
    assert_eq!(dirty(&ledger), [(batches[0], vec![key(2)])]);
}

#[test]
fn an_open_batch_of_an_earlier_process_is_cleaned_by_proof() {
    let home = Home::new();
    let old = home.ledger(1).begin(&intent([1, 2])).unwrap();
    let ledger = home.ledger(2);
    let new = ledger.begin(&intent([2, 3])).unwrap();
    ledger.settle(new, &[delivered(2), delivered(3)]).unwrap();
    assert_eq!(dirty(&ledger), [(old, vec![key(1)])]);
}

#[test]
fn refusals_and_details_are_found_by_key() {
    let home = Home::new();
    let ledger = home.ledger(1);
    assert!(!ledger.has_refusals().unwrap() && !ledger.has_details().unwrap());
    let batch = ledger.begin(&intent(0..9)).unwrap();
    let refuse = |n| settled(n, Settlement::Refused(Box::new(refusal(n))));
    ledger.settle(batch, &(0..8).map(refuse).chain([delivered(8)]).collect::<Vec<_>>()).unwrap();
    assert!(ledger.has_refusals().unwrap() && ledger.has_details().unwrap());
    let mut keys: Vec<_> = (0..8).map(key).collect();
    keys.sort();
    assert_eq!(ledger.refusal_keys().unwrap(), keys);
    let found = ledger.refusals_of(&[key(5), key(8), key(0)]).unwrap();
    assert_eq!(found, HashMap::from([(key(5), refusal(5)), (key(0), refusal(0))]));
}
