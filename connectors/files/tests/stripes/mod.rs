//! Parquet dealt to several workers: the same rows, in the same order, as one thread reads.

mod tables;

use std::sync::Mutex;

use arrow_array::Int64Array;
use parquet::file::writer::SerializedFileWriter;
use proptest::prelude::*;

use self::tables::{COLUMNS, ordinary, pages, plain, shape, write, write_groups};
use super::ranges::input;
use super::*;
use crate::contract::{Cell, Prepared, Preparer};
use crate::files::opened::Opened;
use crate::files::parquet::{Manner, columns, read_by};
use crate::files::source::{Outlet, Task};
use crate::reading;

/// Reads a file whose columns have these places in the rows.
fn read(
    path: &Path,
    places: &[Option<usize>],
    manner: Manner,
    sink: &mut dyn RowSink,
) -> Result<Extract, ConnectorError> {
    let (input, places) = (input(path), places.to_vec());
    let work = move |outlet: Outlet| {
        let opened = Opened::open(&input)?;
        let schema = Arc::new(Schema { columns: columns(&input, &opened)? });
        let task = Task { input: &input, opened: &opened, schema: &schema, places, needed: None };
        read_by(&task, Some(manner), &outlet)
    };
    let (announced, rows) = block_on(reading::filled("files", 2, sink, work))?;
    Ok(Extract { rows, announced })
}

fn all(rows: usize) -> Extract {
    Extract { rows: rows as u64, announced: Some(rows as u64) }
}

fn cells(batches: &[RowBatch]) -> impl Iterator<Item = Cell<'_>> {
    batches.iter().flat_map(RowBatch::rows).flat_map(|row| row.cells())
}

/// The first cell that is not the same.
fn difference(one: &[RowBatch], other: &[RowBatch]) -> Option<usize> {
    cells(one).zip(cells(other)).position(|(one, other)| one != other)
}

fn ids(batch: &RowBatch, place: usize) -> Vec<i64> {
    let id = |cell: Cell<'_>| match cell {
        Cell::Integer(id) => id,
        other => panic!("{other:?} is no id"),
    };
    batch.rows().map(|row| id(row.cell(place))).collect()
}

/// Makes of a batch its ids, and of some batches nothing.
struct Ids {
    place: usize,
    /// The first id of each batch.
    seen: Mutex<Vec<i64>>,
}

impl Preparer for Ids {
    fn prepare(&self, batch: &RowBatch) -> Option<Prepared> {
        let ids = ids(batch, self.place);
        let first = ids[0];
        self.seen.lock().unwrap().push(first);
        (first % 3 > 0).then(|| Box::new(ids) as Prepared)
    }
}

/// Keeps batches, and refuses the one after `most`.
struct Sink {
    ids: Arc<Ids>,
    kept: Vec<RowBatch>,
    most: usize,
}

impl Sink {
    fn new(place: usize, most: usize) -> Self {
        Sink { ids: Arc::new(Ids { place, seen: Mutex::default() }), kept: Vec::new(), most }
    }

    fn keep(&mut self, batch: RowBatch) -> Result<(), ConnectorError> {
        if self.kept.len() == self.most {
            return Err(ConnectorError::new(Kind::Internal, "enough"));
        }
        self.kept.push(batch);
        Ok(())
    }
}

#[async_trait]
impl RowSink for Sink {
    async fn accept(&mut self, batch: RowBatch) -> Result<(), ConnectorError> {
        assert_eq!(ids(&batch, self.ids.place)[0] % 3, 0, "something was made of this batch");
        self.keep(batch)
    }

    async fn accept_prepared(&mut self, batch: RowBatch, prepared: Prepared) -> Result<(), ConnectorError> {
        assert_eq!(*prepared.downcast::<Vec<i64>>().unwrap(), ids(&batch, self.ids.place));
        self.keep(batch)
    }

    fn preparer(&self) -> Option<Arc<dyn Preparer>> {
        Some(self.ids.clone())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn workers_give_the_rows_of_one_thread(
        written in shape(), rows in 1..90_usize, passed_over in 1..=COLUMNS, reversed in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        write(&path, &written);
        let total: usize = written.groups.iter().sum();
        let place = |file: usize| if reversed { COLUMNS - 1 - file } else { file };
        let places: Vec<_> = (0..COLUMNS).map(|file| (file != passed_over).then_some(place(file))).collect();
        let mut one = Keep::all();
        prop_assert_eq!(read(&path, &places, Manner { rows, workers: 1 }, &mut one).unwrap(), all(total));
        let read_ids: Vec<i64> = one.batches.iter().flat_map(|batch| ids(batch, place(0))).collect();
        prop_assert!(read_ids.into_iter().eq(0..total as i64));
        for workers in 2..=4 {
            let mut sink = Sink::new(place(0), usize::MAX);
            let found = read(&path, &places, Manner { rows, workers }, &mut sink);
            prop_assert_eq!(found.unwrap(), all(total));
            prop_assert_eq!(difference(&one.batches, &sink.kept), None, "{} workers", workers);
            let firsts: Vec<i64> = sink.kept.iter().map(|batch| ids(batch, place(0))[0]).collect();
            let mut seen = sink.ids.seen.lock().unwrap().clone();
            seen.sort_unstable();
            prop_assert_eq!(seen, firsts);
        }
    }
}

#[test]
fn a_sink_that_has_enough_ends_all_workers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    ordinary(&path, &[90, 7, 200]);
    let places: Vec<_> = (0..COLUMNS).map(Some).collect();
    for workers in 2..=4 {
        for most in 0..9 {
            let mut sink = Sink::new(0, most);
            let ended = read(&path, &places, Manner { rows: 10, workers }, &mut sink);
            assert_eq!(ended.unwrap_err().message, "enough");
            let kept: Vec<i64> = sink.kept.iter().flat_map(|batch| ids(batch, 0)).collect();
            assert!(kept.into_iter().eq(0..10 * most as i64), "{workers} workers, {most} batches");
            assert_eq!(Arc::strong_count(&sink.ids), 1, "no worker is left");
        }
    }
}

#[test]
fn a_damaged_page_is_told_after_all_rows_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let value = |n: i64| n.wrapping_mul(0x0102_0304_0506_0708);
    plain(&path, &[0..100, 100..200, 200..300], value);
    let mut content = std::fs::read(&path).unwrap();
    let page = content.windows(8).position(|bytes| bytes == value(150).to_le_bytes()).unwrap();
    content[page - 8..page].fill(0xff); // the end of its header
    std::fs::write(&path, content).unwrap();
    for workers in 1..=4 {
        let mut kept = Keep::all();
        let ended = read(&path, &[Some(0)], Manner { rows: 10, workers }, &mut kept);
        let (code, message) = refusal(ended.unwrap_err());
        assert!(code == "FILE_DAMAGED" && message.contains("cannot be decoded"), "{message}");
        let values: Vec<i64> = kept.batches.iter().flat_map(|batch| ids(batch, 0)).collect();
        assert!(values.into_iter().eq((0..150).map(value)), "{workers} workers");
    }
}

/// The values behind it would be those of other rows, and nobody would miss one.
#[test]
fn a_page_that_claims_a_value_too_many_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let column = |rows: i64| Arc::new(Int64Array::from_iter_values((0..100).map(|n| n % rows))) as ArrayRef;
    let columns = [("id", column(100), false), ("kind", column(4), false)];
    let table = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    write_groups(&path, &[table], pages(10).build());
    let mut content = std::fs::read(&path).unwrap();
    // The header of a page of version 1, which begins with the number of its values: 10, in zigzag.
    let header = content.windows(4).position(|bytes| bytes == [0x2c, 0x15, 20, 0x15]).unwrap();
    content[header + 2] = 22;
    std::fs::write(&path, content).unwrap();
    for workers in 1..=4 {
        let ended = read(&path, &[Some(0), Some(1)], Manner { rows: 10, workers }, &mut Keep::all());
        let (code, message) = refusal(ended.unwrap_err());
        assert_eq!(code, "FILE_DAMAGED", "{workers} workers: {message}");
    }
}

#[test]
fn rows_of_which_nobody_needs_a_column_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    ordinary(&path, &[90, 0, 33]);
    for workers in 1..=4 {
        let mut kept = Keep::all();
        let found = read(&path, &[None; COLUMNS], Manner { rows: 10, workers }, &mut kept);
        assert_eq!(found.unwrap(), all(123), "{workers} workers");
        assert!(cells(&kept.batches).all(|cell| cell == Cell::Null));
    }
    let query = FileQuery { needed: Some(Vec::new()), ..files("a.parquet") };
    assert_eq!(extract_query(folder.path(), query).unwrap().0, all(123));
}

struct Broken;

impl Preparer for Broken {
    fn prepare(&self, _: &RowBatch) -> Option<Prepared> {
        panic!("by a test")
    }
}

struct Unprepared(Keep);

#[async_trait]
impl RowSink for Unprepared {
    async fn accept(&mut self, batch: RowBatch) -> Result<(), ConnectorError> {
        self.0.accept(batch).await
    }

    async fn accept_prepared(&mut self, _: RowBatch, _: Prepared) -> Result<(), ConnectorError> {
        Err(ConnectorError::new(Kind::Internal, "nothing can have been made of it"))
    }

    fn preparer(&self) -> Option<Arc<dyn Preparer>> {
        Some(Arc::new(Broken))
    }
}

#[test]
fn a_batch_that_its_sink_breaks_on_comes_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    plain(&path, &[0..30], |n| n);
    let mut sink = Unprepared(Keep::all());
    let found = read(&path, &[Some(0)], Manner { rows: 10, workers: 2 }, &mut sink);
    assert_eq!(found.unwrap(), all(30));
    let found: Vec<i64> = sink.0.batches.iter().flat_map(|batch| ids(batch, 0)).collect();
    assert!(found.into_iter().eq(0..30));
}

#[test]
fn times_of_96_bits_are_dealt_out_as_well() {
    use parquet::data_type::{Int96, Int96Type};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let schema = parquet::schema::parser::parse_message_type("message m { optional int96 c; }").unwrap();
    let schema = Arc::new(schema);
    let levels: Vec<i16> = (0..100).map(|n| i16::from(n % 4 > 0)).collect();
    for dictionary in [true, false] {
        let properties = Arc::new(pages(7).set_dictionary_enabled(dictionary).build());
        let file = std::fs::File::create(&path).unwrap();
        let mut writer = SerializedFileWriter::new(file, schema.clone(), properties).unwrap();
        for first_day in [2_440_588, 2_450_000] {
            let at = |n: u32| Int96::from(vec![n % 20, 0, first_day + n % 9]);
            let values: Vec<Int96> = (0..75).map(at).collect();
            let mut group = writer.next_row_group().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<Int96Type>().write_batch(&values, Some(&levels[..]), None).unwrap();
            column.close().unwrap();
            group.close().unwrap();
        }
        writer.close().unwrap();
        let mut one = Keep::all();
        assert_eq!(read(&path, &[Some(0)], Manner { rows: 9, workers: 1 }, &mut one).unwrap(), all(200));
        for workers in 2..=4 {
            let mut kept = Keep::all();
            let found = read(&path, &[Some(0)], Manner { rows: 9, workers }, &mut kept);
            assert_eq!(found.unwrap(), all(200));
            assert_eq!(difference(&one.batches, &kept.batches), None, "{workers} workers");
        }
    }
}
