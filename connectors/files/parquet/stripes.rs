//! A file in stripes of some hundred rows, dealt to workers in turn: each decodes its stripes, makes rows of them and does
//! what the sink does with rows, all on one core, whose cache has them. They are handed over in the file's order.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowSelection, RowSelector};
use parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels};

use super::chunks::Chunks;
use super::footer::Footer;
use super::pages::{Pages, View};
use super::{Decoding, Stop, each, guarded};
use crate::contract::{ConnectorError, Prepared, RowBatch};
use crate::files::errors;
use crate::files::source::{Gone, Outlet};

/// Batches that a worker may be ahead.
const AHEAD: usize = 2;
/// Bytes before compression below which a second thread gains nothing. Few in tests, whose files are small.
const LEAST_BYTES: i64 = if cfg!(test) { 1 << 10 } else { 4 << 20 };
/// Workers pass over each other's rows, which takes time too.
const MOST_WORKERS: usize = 4;
/// Rows of a stripe at least: decoders pass over many rows at once.
const LEAST_ROWS: usize = if cfg!(test) { 4 } else { 64 };
/// Batches of a stripe at most: what lies between the rows of two workers is in memory.
const MOST_BATCHES: usize = 4;
/// Rows of a row group that is dealt out, which takes memory for each stripe; those of more are a damaged file's.
const MOST_OF_GROUP: i64 = 1 << 32;
/// Row groups that workers may be from each other: any number of small ones. Each is let go when all are through with it.
const APART: usize = usize::MAX;

/// What a worker sends: rows with what was prepared of them, or why there are no more.
type Sent = Result<(RowBatch, Option<Prepared>), ConnectorError>;

/// How a file is dealt out.
pub(super) struct Stripes {
    /// Rows of each row group.
    groups: Vec<usize>,
    /// Rows of each stripe but the last of a group.
    rows: usize,
    workers: usize,
}

/// How many workers gain something by reading these columns.
pub(super) fn workers(footer: &Footer, roots: &[usize]) -> usize {
    let mut groups = footer.metadata.metadata().row_groups().iter();
    if footer.bytes(roots) < LEAST_BYTES || groups.any(|group| group.num_rows() > MOST_OF_GROUP) {
        return 1;
    }
    thread::available_parallelism().map_or(1, usize::from).min(MOST_WORKERS)
}

impl Stripes {
    /// For so many workers, each of which decodes so many rows at once.
    pub(super) fn of(footer: &Footer, rows: usize, workers: usize) -> Self {
        let groups = footer.metadata.metadata().row_groups().iter();
        let groups = groups.map(|group| usize::try_from(group.num_rows()).unwrap_or(0)).collect();
        Stripes { groups, rows: rows * LEAST_ROWS.div_ceil(rows).min(MOST_BATCHES), workers }
    }

    /// The stripes of a row group, each with its worker and its rows; `before` are the stripes of all groups before it.
    fn of_group(&self, group: usize, before: usize) -> impl Iterator<Item = (usize, usize)> {
        let rows = self.groups[group];
        (0..rows.div_ceil(self.rows))
            .map(move |stripe| ((before + stripe) % self.workers, self.rows.min(rows - stripe * self.rows)))
    }

    /// The row groups with the number of stripes before each.
    fn starts(&self) -> impl Iterator<Item = (usize, usize)> {
        self.groups.iter().enumerate().scan(0, |before, (group, rows)| {
            let start = *before;
            *before += rows.div_ceil(self.rows);
            Some((group, start))
        })
    }

    /// A worker's rows of a row group; `None` where it has none.
    fn selection(&self, (group, before): (usize, usize), worker: usize) -> Option<RowSelection> {
        let stripes = self.of_group(group, before);
        let selectors: Vec<RowSelector> = stripes
            .map(|(owner, rows)| match owner == worker {
                true => RowSelector::select(rows),
                false => RowSelector::skip(rows),
            })
            .collect();
        selectors.iter().any(|selector| !selector.skip).then(|| selectors.into())
    }
}

/// Reads the whole file, or until nobody wants more.
///
/// # Errors
/// What is wrong with the first rows that are not handed over.
pub(super) fn read(
    decoding: &Decoding<'_>,
    stripes: &Stripes,
    outlet: &Outlet,
) -> Result<(), ConnectorError> {
    let shared = Shared::of(decoding, stripes)?;
    thread::scope(|scope| {
        let mut streams = Vec::new();
        for worker in 0..stripes.workers {
            let (send, stream) = sync_channel(AHEAD);
            let shared = &shared;
            let work = move || shared.work(worker, outlet, &send);
            let thread = thread::Builder::new().name("outflow-parquet".into()).spawn_scoped(scope, work);
            thread.map_err(|error| errors::io("read", decoding.path(), error))?;
            streams.push(stream);
        }
        for (group, before) in stripes.starts() {
            for (worker, rows) in stripes.of_group(group, before) {
                if hand_over(rows, &streams[worker], (decoding, outlet))?.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    })
}

/// Passes on one stripe.
fn hand_over(
    mut rows: usize,
    stream: &Receiver<Sent>,
    (decoding, outlet): (&Decoding<'_>, &Outlet),
) -> Result<ControlFlow<()>, ConnectorError> {
    let uneven = || errors::damaged(decoding.path(), "is damaged: a row group has not the rows it announces");
    while rows > 0 {
        let (batch, prepared) = stream.recv().map_err(|_| uneven())??;
        rows = rows.checked_sub(batch.len()).ok_or_else(uneven)?;
        if outlet.put_prepared(batch, prepared).is_err() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// What all workers need.
struct Shared<'a> {
    decoding: &'a Decoding<'a>,
    stripes: &'a Stripes,
    file: Arc<Chunks>,
    levels: FieldLevels,
    leaves: Vec<usize>,
    /// Row groups that not all their workers have begun, with how many have.
    open: Vec<Mutex<Option<(Arc<Pages>, usize)>>>,
}

impl<'a> Shared<'a> {
    fn of(decoding: &'a Decoding<'a>, stripes: &'a Stripes) -> Result<Self, ConnectorError> {
        let Decoding { footer, roots, .. } = decoding;
        let schema = footer.metadata.parquet_schema();
        let levels = guarded(decoding.path(), || {
            let mask = ProjectionMask::roots(schema, roots.iter().copied());
            parquet_to_arrow_field_levels(schema, mask, Some(footer.metadata.schema().fields()))
        })?;
        let leaves = 0..schema.num_columns();
        Ok(Shared {
            decoding,
            stripes,
            file: Arc::new(decoding.chunks(APART)),
            levels,
            leaves: leaves.filter(|leaf| roots.contains(&schema.get_column_root_idx(*leaf))).collect(),
            open: stripes.groups.iter().map(|_| Mutex::default()).collect(),
        })
    }

    fn work(&self, worker: usize, outlet: &Outlet, send: &SyncSender<Sent>) {
        let mut filler = self.decoding.filler();
        for (group, before) in self.stripes.starts() {
            let Some(selection) = self.stripes.selection((group, before), worker) else { continue };
            let read = self.reader((group, before), selection).and_then(|reader| {
                each(self.decoding.path(), reader, |decoded| {
                    filler.fill(decoded, &mut |batch| {
                        let prepared = prepare(outlet, &batch);
                        send.send(Ok((batch, prepared))).map_err(|_| Gone)
                    })
                })
            });
            match read {
                Ok(()) => {}
                Err(Stop::Gone) => return,
                Err(Stop::Wrong(error)) => {
                    let _ = send.send(Err(error)); // nobody may want to know: an earlier worker told of another
                    return;
                }
            }
        }
    }

    fn reader(
        &self,
        group: (usize, usize),
        selection: RowSelection,
    ) -> Result<ParquetRecordBatchReader, Stop> {
        let Decoding { rows, .. } = self.decoding;
        let pages = self.pages(group);
        Ok(guarded(self.decoding.path(), || {
            pages.begin()?;
            let (levels, view) = (&self.levels, View(pages));
            ParquetRecordBatchReader::try_new_with_row_groups(levels, &view, *rows, Some(selection))
        })?)
    }

    /// Those of a row group, for one more worker.
    fn pages(&self, (group, before): (usize, usize)) -> Arc<Pages> {
        // Each worker has stripes of it, or there are fewer stripes than workers.
        let readers = self.stripes.of_group(group, before).take(self.stripes.workers).count();
        let new = || {
            let metadata = self.decoding.footer.metadata.metadata();
            Arc::new(Pages::of((&self.file, metadata), group, (&self.leaves, readers)))
        };
        let Ok(mut open) = self.open[group].lock() else { return new() };
        let (pages, begun) = open.get_or_insert_with(|| (new(), 0));
        *begun += 1;
        let pages = pages.clone();
        if *begun == readers {
            *open = None; // the last of them lets it go
        }
        pages
    }
}

/// What the sink makes of a batch. A panic of its code is for it to tell: it meets it again when it takes the batch.
fn prepare(outlet: &Outlet, batch: &RowBatch) -> Option<Prepared> {
    catch_unwind(AssertUnwindSafe(|| outlet.prepare(batch))).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dealt(groups: &[usize], rows: usize, workers: usize) -> Vec<(usize, usize, usize)> {
        let stripes = Stripes { groups: groups.to_vec(), rows, workers };
        let starts = stripes.starts().collect::<Vec<_>>();
        let of_group = |start: &(usize, usize)| {
            let group = start.0;
            stripes
                .of_group(group, start.1)
                .map(move |(worker, rows)| (group, worker, rows))
                .collect::<Vec<_>>()
        };
        starts.iter().flat_map(of_group).collect()
    }

    #[test]
    fn stripes_go_round_across_row_groups() {
        let dealt = dealt(&[250, 0, 30, 100], 100, 2);
        assert_eq!(dealt, [(0, 0, 100), (0, 1, 100), (0, 0, 50), (2, 1, 30), (3, 0, 100)]);
    }

    #[test]
    fn each_row_is_one_workers() {
        let stripes = Stripes { groups: vec![1_050, 40, 700], rows: 100, workers: 3 };
        for start in stripes.starts().collect::<Vec<_>>() {
            let selections = (0..3).filter_map(|worker| stripes.selection(start, worker));
            let chosen: usize = selections.map(|selection| selection.row_count()).sum();
            assert_eq!(chosen, stripes.groups[start.0]);
        }
        assert!(stripes.selection((1, 11), 0).is_none(), "eleven stripes before: the third worker's turn");
    }
}
