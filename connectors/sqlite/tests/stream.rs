use std::time::Duration;

use super::*;

const ENDLESS: &str = "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n";

#[tokio::test]
async fn rows_come_in_bounded_batches_while_the_query_runs() {
    let (_folder, path) = database("create table t (c)");
    let mut sink = Keep { batches: Vec::new(), most: 3 };
    let error =
        source(&path).extract(&query(ENDLESS), &ReadContext::fleeting("t"), &mut sink).await.unwrap_err();
    assert_eq!(error.message, "enough");
    assert_eq!(sink.batches.iter().map(RowBatch::len).collect::<Vec<_>>(), [1000; 3]);
    assert_eq!(sink.rows()[2999], ["Integer(3000)"]);
}

#[tokio::test]
async fn long_texts_make_batches_of_few_rows() {
    let (_folder, path) = database("create table t (c)");
    let sql = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 12)
        select i, printf('%.*c', 1000000, 'x') as c from n";
    let (extract, kept) = extract(&path, sql).await.unwrap();
    assert_eq!(extract.rows, 12);
    assert!(kept.batches.iter().all(|batch| batch.arena_bytes() < 6 << 20), "no batch holds all texts");
    assert!(kept.batches.len() > 1);
}

#[tokio::test]
async fn two_thousand_columns_make_small_batches() {
    let columns: Vec<String> = (0..2000).map(|i| format!("c{i}")).collect();
    let (_folder, path) = database(&format!("create table t ({})", columns.join(", ")));
    let writer = Connection::open(&path).unwrap();
    writer.execute_batch("insert into t (c0, c1999) values (1, 2), (3, 4)").unwrap();
    let sql =
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 50) select t.* from n, t";
    let (extract, kept) = extract(&path, sql).await.unwrap();
    assert_eq!(extract.rows, 100);
    assert_eq!(kept.batches.iter().map(RowBatch::len).collect::<Vec<_>>(), [33, 33, 33, 1]);
    let row = kept.batches[3].rows().next().unwrap();
    assert_eq!(row.cell(1999), crate::contract::Cell::Integer(4));
}

/// Writes to the database when the first batch arrives.
struct Writes<'a> {
    path: &'a Path,
    rows: usize,
}

#[async_trait]
impl RowSink for Writes<'_> {
    async fn accept(&mut self, batch: RowBatch) -> Result<(), ConnectorError> {
        if self.rows == 0 {
            let writer = Connection::open(self.path).unwrap();
            writer.execute_batch("delete from t where id % 2 = 0; insert into t values (90000)").unwrap();
        }
        self.rows += batch.len();
        Ok(())
    }
}

#[tokio::test]
async fn a_writer_meanwhile_changes_nothing_of_what_is_read() {
    let (_folder, path) = database(
        "pragma journal_mode = wal; create table t (id integer primary key);
         with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000) insert into t select i from n",
    );
    let mut sink = Writes { path: &path, rows: 0 };
    let first = source(&path)
        .extract(&query("select id from t"), &ReadContext::fleeting("t"), &mut sink)
        .await
        .unwrap();
    assert_eq!((first.rows, sink.rows), (20_000, 20_000));
    let (second, _) = extract(&path, "select id from t").await.unwrap();
    assert_eq!(second.rows, 10_001);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_call_interrupts_the_query_and_frees_the_file() {
    let (_folder, path) = database("create table t (c); insert into t values (1)");
    // One row after an endless count: nothing is ever sent, so only an interrupt can end it.
    let sql = format!("select count(*) as n from t, ({ENDLESS})");
    for patience in [0, 1, 50] {
        let mut sink = Keep::all();
        let source = source(&path);
        let query = query(&sql);
        let context = ReadContext::fleeting("t");
        let call = source.extract(&query, &context, &mut sink);
        assert!(tokio::time::timeout(Duration::from_millis(patience), call).await.is_err());
        let writer = Connection::open(&path).unwrap();
        writer.busy_timeout(Duration::from_secs(30)).unwrap();
        writer.execute_batch("begin exclusive; commit").unwrap();
    }
}
