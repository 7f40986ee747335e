//! The columns of a file in two lanes, each decoded by a thread of its own, row for row in step: the order of the rows
//! stays, and no more of them are in memory than with one.

use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::thread;

use arrow_array::{ArrayRef, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use super::footer::Footer;
use super::guarded;
use crate::contract::ConnectorError;
use crate::files::errors;
use crate::files::source::Gone;

/// Batches that the second lane may be ahead.
const AHEAD: usize = 2;
/// Bytes before compression below which a second thread gains nothing.
const LEAST_BYTES: i64 = 4 << 20;
/// What a value costs to decode beside its bytes, in bytes.
const VALUE: i64 = 8;

/// Columns (by their place in the file) for the first lane and for the second, of about the same cost; the second is
/// empty where one lane does.
pub(super) fn split(footer: &Footer, roots: Vec<usize>) -> (Vec<usize>, Vec<usize>) {
    let mut costs: Vec<(i64, usize)> = roots.iter().map(|root| (footer.cost(*root, VALUE), *root)).collect();
    let total: i64 = costs.iter().map(|(cost, _)| cost).sum();
    let is_single = thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
    if total < LEAST_BYTES || roots.len() < 2 || is_single {
        return (roots, Vec::new());
    }
    costs.sort_unstable_by(|a, b| b.cmp(a));
    let (mut near, mut far) = ((0, Vec::new()), (0, Vec::new()));
    for (cost, root) in costs {
        let lane = if near.0 <= far.0 { &mut near } else { &mut far };
        lane.0 += cost;
        lane.1.push(root);
    }
    near.1.sort_unstable();
    far.1.sort_unstable();
    (near.1, far.1)
}

/// Reads one lane to its end, or until nobody wants more.
pub(super) fn one(
    path: &Path,
    mut reader: ParquetRecordBatchReader,
    mut hand_over: impl FnMut(&[ArrayRef]) -> Result<(), Gone>,
) -> Result<(), ConnectorError> {
    // The decoder has been seen to panic on damaged files.
    while let Some(batch) = guarded(path, || reader.next().transpose())? {
        if hand_over(batch.columns()).is_err() {
            break;
        }
    }
    Ok(())
}

/// As [`one`], with the columns of the second lane behind those of the first.
pub(super) fn two(
    path: &Path,
    (near, mut far): (ParquetRecordBatchReader, ParquetRecordBatchReader),
    mut hand_over: impl FnMut(&[ArrayRef]) -> Result<(), Gone>,
) -> Result<(), ConnectorError> {
    thread::scope(|scope| {
        let (send, batches) = sync_channel::<Result<RecordBatch, ConnectorError>>(AHEAD);
        let ahead = thread::Builder::new().name("outflow-parquet".into()).spawn_scoped(scope, move || {
            loop {
                let batch = guarded(path, || far.next().transpose()).transpose();
                let is_last = !matches!(batch, Some(Ok(_)));
                // Nobody may want it: the first lane ended early.
                if batch.is_none_or(|batch| send.send(batch).is_err()) || is_last {
                    break;
                }
            }
        });
        ahead.map_err(|error| errors::io("read", path, error))?;
        let mut wrong = None;
        one(path, near, |first| match batches.recv() {
            Ok(Ok(second)) if first.first().is_some_and(|array| array.len() == second.num_rows()) => {
                hand_over(&[first, second.columns()].concat())
            }
            Ok(Ok(_)) | Err(_) => {
                wrong = Some(errors::damaged(path, "is damaged: its columns have different numbers of rows"));
                Err(Gone)
            }
            Ok(Err(error)) => {
                wrong = Some(error);
                Err(Gone)
            }
        })?;
        wrong.map_or(Ok(()), Err)
    })
}
