//! What is written for the workers to read: row groups and pages of any size, in every way.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::Int64Type;
use arrow_array::{
    ArrayRef, BooleanArray, FixedSizeBinaryArray, Float64Array, Int64Array, ListArray, RecordBatch,
    StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field, Fields};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::compute_leaves;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{
    EnabledStatistics, WriterProperties, WriterPropertiesBuilder, WriterVersion,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Columns of [`table`].
pub(super) const COLUMNS: usize = 9;

/// How a file is written.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// Rows of each row group.
    pub groups: Vec<usize>,
    /// Rows of a page.
    pub page: usize,
    pub version: WriterVersion,
    pub compression: Compression,
    pub dictionary: bool,
    pub nullable: bool,
}

pub(super) fn shape() -> impl Strategy<Value = Shape> {
    let group = prop_oneof![
        1 => Just(0_usize),
        4 => 1..40_usize,
        4 => 40..400_usize,
        1 => 400..3_000_usize,
    ];
    let version = select(vec![WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0]);
    let compression =
        select(vec![Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::ZSTD(ZstdLevel::default())]);
    let written = (version, compression, any::<bool>(), any::<bool>());
    (vec(group, 1..6), 5..300_usize, written).prop_map(|(groups, page, written)| {
        let (version, compression, dictionary, nullable) = written;
        Shape { groups, page, version, compression, dictionary, nullable }
    })
}

/// Looks like chance, and is the same every time.
fn noise(n: u64) -> u64 {
    let n = (n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    n ^ (n >> 29)
}

fn text(n: u64) -> String {
    match n % 4 {
        0 => String::new(),
        1 => format!("t{}", n % 9),
        2 => format!("a text of its own, {n}"),
        _ => "long ".repeat((n % 50) as usize),
    }
}

/// Rows with these ids.
fn table(ids: Range<u64>, nullable: bool) -> RecordBatch {
    let column = |salt: u64| {
        let chance = ids.clone().map(move |id| noise(id * 16 + salt));
        chance.map(move |x| (!nullable || x % 5 > 0).then_some(x >> 8))
    };
    let numbers = |salt| column(salt).map(|x| x.map(|x| x as i64)).collect::<Int64Array>();
    let texts = |salt| column(salt).map(|x| x.map(text)).collect::<StringArray>();
    let few = column(1).map(|x| x.map(|x| (x % 7) as i64));
    let doubles = column(2).map(|x| x.map(|x| x as f64 / 3.0));
    let flags = column(3).map(|x| x.map(|x| x % 2 > 0));
    let times = column(4).map(|x| x.map(|x| (x >> 12) as i64));
    let codes = column(5).map(|x| x.map(u64::to_le_bytes));
    let items = |x: u64| (0..x % 5).map(|n| (n != 3).then_some(n as i64)).collect::<Vec<_>>();
    let lists = column(6).map(|x| x.map(items));
    let fields = vec![Field::new("s", DataType::Utf8, true), Field::new("n", DataType::Int64, true)];
    let parts: Vec<ArrayRef> = vec![Arc::new(texts(7)), Arc::new(numbers(8))];
    let nulls = nullable.then(|| NullBuffer::from(column(9).map(|x| x.is_some()).collect::<Vec<bool>>()));
    let columns: [(&str, ArrayRef); COLUMNS] = [
        ("id", Arc::new(Int64Array::from_iter_values(ids.clone().map(|id| id as i64)))),
        ("few", Arc::new(few.collect::<Int64Array>())),
        ("double", Arc::new(doubles.collect::<Float64Array>())),
        ("flag", Arc::new(flags.collect::<BooleanArray>())),
        ("at", Arc::new(times.collect::<TimestampMicrosecondArray>())),
        ("code", Arc::new(FixedSizeBinaryArray::try_from_sparse_iter_with_size(codes, 8).unwrap())),
        ("list", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))),
        ("text", Arc::new(texts(10))),
        ("pair", Arc::new(StructArray::new(Fields::from(fields), parts, nulls))),
    ];
    let columns = columns.into_iter().map(|(name, array)| (name, array, nullable));
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

/// Pages of so many rows, without statistics.
pub(super) fn pages(rows: usize) -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_data_page_row_count_limit(rows)
        .set_write_batch_size(rows)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
}

/// Each table is a row group, those without rows, too.
pub(super) fn write_groups(path: &Path, groups: &[RecordBatch], properties: WriterProperties) {
    let file = std::fs::File::create(path).unwrap();
    let schema = groups[0].schema();
    let writer = ArrowWriter::try_new(file, schema.clone(), Some(properties)).unwrap();
    let (mut writer, factory) = writer.into_serialized_writer().unwrap();
    for (place, rows) in groups.iter().enumerate() {
        let mut columns = factory.create_column_writers(place).unwrap();
        let arrays = schema.fields().iter().zip(rows.columns()).filter(|_| rows.num_rows() > 0);
        let leaves = arrays.flat_map(|(field, array)| compute_leaves(field, array).unwrap());
        for (column, leaf) in columns.iter_mut().zip(leaves) {
            column.write(&leaf).unwrap();
        }
        let mut group = writer.next_row_group().unwrap();
        for column in columns {
            column.close().unwrap().append_to_row_group(&mut group).unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
}

pub(super) fn write(path: &Path, shape: &Shape) {
    let mut next = 0;
    let groups = shape.groups.iter().map(|rows| {
        let first = next;
        next += *rows as u64;
        table(first..next, shape.nullable)
    });
    let groups: Vec<RecordBatch> = groups.collect();
    let properties = pages(shape.page)
        .set_writer_version(shape.version)
        .set_compression(shape.compression)
        .set_dictionary_enabled(shape.dictionary);
    write_groups(path, &groups, properties.build());
}

/// Row groups of so many rows, written as most are.
pub(super) fn ordinary(path: &Path, groups: &[usize]) {
    let shape = Shape {
        groups: groups.to_vec(),
        page: 20,
        version: WriterVersion::PARQUET_1_0,
        compression: Compression::SNAPPY,
        dictionary: true,
        nullable: true,
    };
    write(path, &shape);
}

/// One required column, in pages of ten rows, as it is.
pub(super) fn plain(path: &Path, groups: &[Range<i64>], value: impl Fn(i64) -> i64) {
    let table = |ids: &Range<i64>| {
        let array: ArrayRef = Arc::new(Int64Array::from_iter_values(ids.clone().map(&value)));
        RecordBatch::try_from_iter_with_nullable([("n", array, false)]).unwrap()
    };
    let groups: Vec<RecordBatch> = groups.iter().map(table).collect();
    write_groups(path, &groups, pages(10).set_dictionary_enabled(false).build());
}
