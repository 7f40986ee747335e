use std::time::{Duration, Instant};

use super::*;

/// Nothing could hold all its rows.
const ENDLESS: &str = "select i as n from range(1000000000000) r(i)";

#[tokio::test]
async fn rows_come_in_bounded_batches_while_the_query_runs() {
    let mut sink = Keep { batches: Vec::new(), most: 3 };
    let error =
        source(&memory()).extract(&query(ENDLESS), &ReadContext::fleeting("t"), &mut sink).await.unwrap_err();
    assert_eq!(error.message, "enough");
    assert_eq!(sink.batches.iter().map(RowBatch::len).collect::<Vec<_>>(), [1000; 3]);
    assert_eq!(sink.rows()[2999], ["Integer(2999)"]);
}

#[tokio::test]
async fn long_texts_make_batches_of_few_rows() {
    let (extract, kept) =
        extract(&memory(), "select i, repeat('x', 1000000) as c from range(12) r(i)").await.unwrap();
    assert_eq!(extract.rows, 12);
    assert!(kept.batches.iter().all(|batch| batch.arena_bytes() < 6 << 20), "no batch holds all texts");
    assert!(kept.batches.len() > 1);
}

#[tokio::test]
async fn rows_keep_their_order() {
    let (_folder, path) = database("create table t as select i from range(300000) r(i)");
    let (extract, kept) = extract(&path, "select i from t").await.unwrap();
    assert_eq!(extract.rows, 300_000);
    let rows = kept.batches.iter().flat_map(RowBatch::rows).enumerate();
    for (position, row) in rows {
        assert_eq!(row.cell(0), crate::contract::Cell::Integer(position as i64));
    }
}

#[tokio::test]
async fn no_rows_are_a_clean_end() {
    let (extract, kept) = extract(&memory(), "select 1 as a where false").await.unwrap();
    assert!(extract.rows == 0 && kept.batches.is_empty());
}

#[tokio::test]
async fn syncs_read_one_file_at_once() {
    let (_folder, path) = database("create table t as select i from range(20000) r(i)");
    let (a, b) = tokio::join!(extract(&path, "select i from t"), extract(&path, "select i + 1 as i from t"));
    assert_eq!((a.unwrap().0.rows, b.unwrap().0.rows), (20_000, 20_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_call_interrupts_the_query_and_frees_the_file() {
    let (_folder, path) = database("create table t as select 1 as i");
    // One row after an endless sum: nothing is ever sent, so only an interrupt can end it.
    let sql = format!("select sum(hash(n)) as s from t, ({ENDLESS})");
    for patience in [0, 1, 50, 300] {
        let mut sink = Keep::all();
        let source = source(&path);
        let (query, context) = (query(&sql), ReadContext::fleeting("t"));
        let call = source.extract(&query, &context, &mut sink);
        assert!(tokio::time::timeout(Duration::from_millis(patience), call).await.is_err());
        let begun = Instant::now();
        while super::super::connection::is_open(&path) {
            assert!(begun.elapsed() < Duration::from_secs(30), "the query still runs");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Connection::open(&path).unwrap().execute_batch("insert into t values (2)").unwrap();
    }
}
