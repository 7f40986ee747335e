//! Against an emulator that is not ours, by both ways of reading.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use serde_json::{Value as Json, json};

use super::jobs::Kept;
use super::{source, sql};
use crate::contract::{ConnectorError, Extract, Kind, ReadContext, RowBatch, RowSink, Source};
use crate::testing::{Keep, server};

/// Every type that the emulator has, a row of nulls, and a row of the ends of each type.
const ALL: &str = "select * from unnest([
  struct(1 as n, 9007199254740993 as i, 1.5 as f, numeric '12.50' as d, bignumeric '0.00000001' as big,
    true as b, 'zo\u{eb}\u{1F600}\\n\"q\"' as s, from_hex('c0ff') as raw, date '2024-01-02' as day,
    datetime '2024-01-02 03:04:05.678901' as wall, timestamp '2024-01-02 03:04:05.678901+00' as at, time '10:11:12.5' as clock,
    json '{\"k\":[1]}' as j, [1, 2] as l, struct(1 as x, 'y' as y, [struct(date '2024-01-02' as d)] as z) as o),
  struct(2, -9223372036854775808, cast('nan' as float64), numeric '-99999999999999999999999999999.999999999',
    bignumeric '-12345678901234567890.123456789', false, '', b'', date '0001-01-01',
    datetime '0001-01-01 00:00:00', timestamp '0001-01-01 00:00:00+00', time '00:00:00', json 'null', [], struct(null, null, [])),
  struct(3, 9223372036854775807, cast('-inf' as float64), numeric '99999999999999999999999999999.999999999', bignumeric '0',
    null, null, null, date '9999-12-31', datetime '9999-12-31 23:59:59.999999', timestamp '9999-12-31 23:59:59.999999+00',
    time '23:59:59.999999', json '[1, 2.50]', [3], struct(9007199254740993, '\"', [struct(date '9999-12-31')])),
  struct(4, null, null, null, null, null, null, null, null, null, null, null, null, null, null)
]) order by n";

async fn read(values: Json, query: &str) -> (Extract, Keep) {
    let (rest, storage) = (server("bigquery").unwrap(), server("bigquery_storage").unwrap());
    let mut values = values;
    if values.get("storage_read").is_none() {
        values["storage_read_url"] = json!(storage);
    }
    let mut sink = Keep::all();
    let read = source(&rest, values).extract(&sql(query), &ReadContext::fleeting("people"), &mut sink).await;
    (read.unwrap(), sink)
}

fn there() -> bool {
    server("bigquery").is_some() && server("bigquery_storage").is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn cells_are_the_same_by_either_way() {
    if !there() {
        return;
    }
    let (by_storage, one) = read(json!({}), ALL).await;
    let (by_pages, two) = read(json!({"storage_read": false}), ALL).await;
    assert_eq!(by_storage, Extract { rows: 4, announced: Some(4) });
    assert_eq!(by_storage, by_pages);
    let (mut one, mut two) = (one.rows(), two.rows());
    one.sort();
    two.sort();
    assert_eq!(one, two);
    let cells = |row: usize| one[row].join(" ");
    assert_eq!(
        cells(0),
        "Integer(1) Integer(9007199254740993) Float(1.5) Decimal { digits: 125, scale: 1 } Decimal { digits: 1, scale: 8 } \
         Bool(true) Text(\"zo\u{eb}\u{1F600}\\n\\\"q\\\"\") Bytes([192, 255]) Date(2024-01-02) DateTime(2024-01-02T03:04:05.678901) \
         Timestamp(2024-01-02T03:04:05.678901Z) Text(\"10:11:12.5\") Json(\"{\\\"k\\\":[1]}\") List(\"[1,2]\") \
         Json(\"{\\\"x\\\":1,\\\"y\\\":\\\"y\\\",\\\"z\\\":[{\\\"d\\\":\\\"2024-01-02\\\"}]}\")"
    );
    let least = "Float(NaN) Decimal { digits: -99999999999999999999999999999999999999, scale: 9 }";
    assert!(cells(1).contains(least), "{}", cells(1));
    assert!(cells(2).contains("DateTime(9999-12-31T23:59:59.999999) Malformed("), "{}", cells(2));
    assert_eq!(cells(3), format!("Integer(4) {}List(\"[]\") Null", "Null ".repeat(12)));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_arrives_once_and_is_counted() {
    if !there() {
        return;
    }
    let many = "select x as id, concat('user', cast(x as string)) as name from unnest(generate_array(1, 45000)) as x";
    for values in [json!({}), json!({"storage_read": false})] {
        let (extract, keep) = read(values, many).await;
        assert_eq!(extract, Extract { rows: 45_000, announced: Some(45_000) });
        let mut ids: Vec<i64> =
            keep.rows().iter().map(|row| row[0][8..row[0].len() - 1].parse().unwrap()).collect();
        ids.sort_unstable();
        assert!(ids.iter().copied().eq(1..=45_000));
    }
    let (extract, keep) = read(json!({}), "select 1 as id from unnest([]) where false").await;
    assert_eq!((extract.rows, extract.announced, keep.batches.len()), (0, Some(0), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_the_columns_and_refuses_what_writes() {
    let Some(rest) = server("bigquery") else { return };
    let source = source(&rest, json!({"maximum_bytes_billed": "10GB"}));
    let schema = source.shape(&sql(ALL)).await.unwrap();
    let columns: Vec<(&str, &str)> = schema.columns.iter().map(|c| (&*c.name, &*c.declared)).collect();
    assert_eq!(columns[..2], [("n", "INT64"), ("i", "INT64")]);
    assert_eq!(
        columns[13..],
        [("l", "ARRAY<INT64>"), ("o", "STRUCT<x INT64, y STRING, z ARRAY<STRUCT<d DATE>>>")]
    );
    let estimate = source.estimate(&sql("select 1 as a")).await.unwrap().unwrap();
    assert_eq!((estimate.bytes, estimate.most), (0, Some(10_000_000_000)));

    let missing = source.shape(&sql("select * from nothing.here")).await.unwrap_err();
    assert_eq!((missing.kind, missing.code.as_deref()), (Kind::Config, Some("notFound")), "{missing}");
    let wrong = source.shape(&sql("select 1 +")).await.unwrap_err();
    assert_eq!((wrong.kind, wrong.code.as_deref()), (Kind::Config, Some("invalidQuery")), "{wrong}");
    assert!(wrong.message.starts_with("connection `wh` (bigquery): BigQuery refused the query: "), "{wrong}");
    let two = source.shape(&sql("select 1; select 2")).await.unwrap_err();
    assert_eq!(two.kind, Kind::Config);
}

/// Both read the result of one job, so that only reading is measured:
/// `cargo test --release -p outflow-connectors --lib bigquery -- --ignored --nocapture`, with the emulator.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn storage_read_is_several_times_faster_than_pages() {
    const MANY: &str = "select x as id, concat('user', cast(x as string), '@example.com') as email, \
                        x * 1.25 as score, date '2024-01-02' as day from unnest(generate_array(1, 1000000)) as x";
    let (Some(rest), Some(storage)) = (server("bigquery"), server("bigquery_storage")) else { return };
    let ways = [json!({"storage_read_url": storage}), json!({"storage_read": false})];
    let kept = Arc::new(Kept::default());
    let mut context = ReadContext { handles: kept.clone(), ..ReadContext::fleeting("bench") };
    let mut seconds = Vec::new();
    for values in [&ways[0], &ways[0], &ways[1]] {
        let begun = Instant::now();
        let extract =
            source(&rest, values.clone()).extract(&sql(MANY), &context, &mut Count(0)).await.unwrap();
        seconds.push(begun.elapsed().as_secs_f64());
        assert_eq!(extract, Extract { rows: 1_000_000, announced: Some(1_000_000) });
        context.left = kept.0.lock().unwrap().last().cloned();
    }
    let [_, storage, pages] = seconds[..] else { return };
    eprintln!("storage {storage:.2} s, pages {pages:.2} s, {:.1} times", pages / storage);
}

struct Count(u64);

#[async_trait]
impl RowSink for Count {
    async fn accept(&mut self, batch: RowBatch) -> Result<(), ConnectorError> {
        self.0 += batch.len() as u64;
        Ok(())
    }
}
