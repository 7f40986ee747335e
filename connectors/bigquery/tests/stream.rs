//! What a stream of the Storage Read API holds, compressed as it was asked for, or damaged.

use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow_schema::{DataType, Field, Schema};
use bytes::Bytes;
use google_cloud_bigquery::model::{ArrowRecordBatch, ReadRowsResponse};
use google_cloud_bigquery_v2::model::TableFieldSchema;

use crate::bigquery::storage::Decoder;
use crate::bigquery::value::Columns;
use crate::contract::Cell;

const ROWS: i64 = 2_500;

fn columns(name: &str) -> Columns {
    Columns::read(&[TableFieldSchema::new().set_name(name).set_type("INTEGER")]).unwrap()
}

/// A schema, and a record batch of whole numbers.
fn messages(compression: Option<CompressionType>) -> (Bytes, Bytes) {
    let schema = Arc::new(Schema::new(vec![Field::new("id", DataType::Int64, true)]));
    let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
    let mut writer = StreamWriter::try_new_with_options(Vec::new(), &schema, options).unwrap();
    let first = writer.get_ref().len();
    let numbers = Int64Array::from_iter_values(0..ROWS);
    writer.write(&RecordBatch::try_new(schema, vec![Arc::new(numbers)]).unwrap()).unwrap();
    let mut all = Bytes::from(writer.get_ref().clone());
    let schema = all.split_to(first);
    (schema, all)
}

fn answer(rows: i64, batch: Bytes) -> ReadRowsResponse {
    let batch = ArrowRecordBatch::new().set_serialized_record_batch(batch);
    ReadRowsResponse::new().set_row_count(rows).set_arrow_record_batch(batch)
}

#[test]
fn compressed_or_not_every_row_comes_in_batches_of_the_ordinary_size() {
    for compression in [None, Some(CompressionType::LZ4_FRAME)] {
        let (schema, batch) = messages(compression);
        let mut decoder = Decoder::new(&schema, &columns("id")).unwrap();
        for _ in 0..2 {
            let batches = decoder.rows(answer(ROWS, batch.clone())).unwrap();
            assert_eq!(batches.iter().map(|batch| batch.len()).collect::<Vec<_>>(), [1_000, 1_000, 500]);
            let cells: Vec<Cell<'_>> =
                batches.iter().flat_map(|batch| batch.rows()).map(|row| row.cell(0)).collect();
            assert!((0..ROWS).map(Cell::Integer).eq(cells));
        }
        assert!(decoder.rows(answer(0, Bytes::new())).unwrap().is_empty());
    }
}

#[test]
fn what_is_damaged_or_miscounted_is_an_error() {
    let (schema, batch) = messages(Some(CompressionType::LZ4_FRAME));
    let read = |rows, batch| Decoder::new(&schema, &columns("id")).unwrap().rows(answer(rows, batch));
    for (rows, batch, what) in [
        (ROWS + 1, batch.clone(), "it has 2500 rows, and says 2501"),
        (ROWS, batch.slice(..batch.len() / 2), "it has 0 rows, and says 2500"),
        (ROWS, Bytes::from_static(&[7; 64]), "cannot be read"),
        (ROWS, Bytes::new(), "it has 0 rows, and says 2500"),
    ] {
        let error = read(rows, batch).unwrap_err();
        assert!(error.message.contains(what), "{what}: {error}");
    }
    assert!(Decoder::new(&schema, &columns("name")).err().unwrap().message.contains("no column `name`"));
    assert!(Decoder::new(&Bytes::from_static(b"no schema"), &columns("id")).is_err());
}
