//! Query -> batches of Row: reads the source to its end, feeding the data tests and the diff.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::available_parallelism;

use async_trait::async_trait;
use jiff::Timestamp;
use outflow_connectors::contract::{
    ConnectorError, Extract, Kind, Prepared, Preparer, Query, ReadContext, RowBatch, RowSink, Schema, Source,
};
use tokio::task::{JoinHandle, block_in_place, spawn_blocking};

use super::cancel::{Cancel, interrupted};
use super::check::DataTests;
use super::cursor::Track;
use super::diff::{Compared, Delta, Differ};
use super::event::{Event, Observer};
use crate::error::{Error, ErrorKind, Result};
use crate::ledger::Ledger;
use crate::project::Sync;

/// Takes the rows of one extract.
pub struct Intake<'a> {
    pub sync: &'a Sync,
    /// As this run reads it.
    pub query: Query,
    pub differ: Differ,
    pub tests: DataTests,
    /// The values of the cursor column, where there is one.
    pub track: Option<Track>,
    pub observer: &'a dyn Observer,
    pub cancel: &'a Cancel,
    /// Positions of the columns that anything looks at, sorted.
    pub needed: Vec<usize>,
    /// Batches under comparison, in the order of the extract.
    pub comparing: VecDeque<JoinHandle<(RowBatch, Compared)>>,
    /// Why the engine stopped the source, if it did.
    pub stopped: Option<Error>,
}

/// Batches compared at once at most: more would need more memory, and the source's own threads need a core as well.
const MOST_COMPARING: usize = 4;

#[async_trait]
impl RowSink for Intake<'_> {
    async fn accept(&mut self, batch: RowBatch) -> Result<(), ConnectorError> {
        let comparer = self.differ.comparer();
        self.comparing.push_back(spawn_blocking(move || {
            let compared = comparer.compare(&batch);
            (batch, compared)
        }));
        self.settle(available_parallelism().map_or(1, usize::from).min(MOST_COMPARING)).await
    }

    async fn accept_prepared(&mut self, batch: RowBatch, prepared: Prepared) -> Result<(), ConnectorError> {
        self.settle(0).await?;
        let compared = prepared.downcast().map(|compared| *compared);
        let taken = compared.map_err(|_| defect()).and_then(|compared| self.take(&batch, compared));
        self.unless_stopped(taken)
    }

    fn preparer(&self) -> Option<Arc<dyn Preparer>> {
        Some(self.differ.comparer())
    }
}

fn defect() -> Error {
    let message = "a batch could not be compared; this is a defect of outflow";
    Error::new("OF-INT-002", ErrorKind::Internal, message)
}

impl Intake<'_> {
    /// Waits until no more than so many batches are under comparison.
    async fn settle(&mut self, most: usize) -> Result<(), ConnectorError> {
        while self.comparing.len() > most {
            let Some(first) = self.comparing.pop_front() else { break };
            let taken = match first.await {
                Ok((batch, compared)) => self.take(&batch, compared),
                Err(_) => Err(defect()),
            };
            self.unless_stopped(taken)?;
        }
        Ok(())
    }

    /// Keeps why the source is stopped, and tells it that it is.
    fn unless_stopped(&mut self, taken: Result<()>) -> Result<(), ConnectorError> {
        let Err(error) = taken else { return Ok(()) };
        let told = ConnectorError::new(Kind::Internal, error.message.clone());
        self.stopped = Some(error);
        Err(told)
    }

    /// Judges what was read: the whole extract against the whole ledger, and its data tests.
    ///
    /// # Errors
    /// When the ledger or the spool cannot be read.
    pub fn finish(mut self, ledger: Option<&Ledger>) -> Result<(Delta, Option<Error>)> {
        let failures = self.tests.judge(Timestamp::now());
        let mut delta = block_in_place(|| self.differ.finish(self.sync.on_duplicate_key, ledger))?;
        delta.track = self.track;
        Ok((delta, (!failures.is_empty()).then(|| Error::all(failures))))
    }

    fn take(&mut self, batch: &RowBatch, compared: Compared) -> Result<()> {
        if self.cancel.is_stopped() {
            return Err(interrupted());
        }
        let taken = block_in_place(|| {
            self.tests.observe(batch);
            if let (Some(track), Some(cursor)) = (&mut self.track, &self.sync.source.cursor) {
                track.observe(batch, &compared, cursor)?;
            }
            self.differ.accept(batch, compared)
        });
        self.observer.observe(&Event::Extracted { sync: self.sync.name.clone(), rows: self.differ.rows() });
        taken
    }
}

/// Lets batches through as long as they have the columns that the mapping was bound to by position.
struct SameColumns<'a, S: RowSink> {
    expected: &'a Arc<Schema>,
    inner: &'a mut S,
}

#[async_trait]
impl<S: RowSink> RowSink for SameColumns<'_, S> {
    async fn accept(&mut self, batch: RowBatch) -> Result<(), ConnectorError> {
        if batch.schema() == self.expected {
            return self.inner.accept(batch).await;
        }
        let message = "the columns of the query changed between its check and its reading";
        Err(ConnectorError::new(Kind::Unavailable, message)
            .hint("nothing was sent; run it again, and list the columns instead of `select *`"))
    }

    /// Only batches of the right columns were prepared.
    async fn accept_prepared(&mut self, batch: RowBatch, prepared: Prepared) -> Result<(), ConnectorError> {
        self.inner.accept_prepared(batch, prepared).await
    }

    fn preparer(&self) -> Option<Arc<dyn Preparer>> {
        let inner = self.inner.preparer()?;
        Some(Arc::new(OfSameColumns { expected: self.expected.clone(), inner }))
    }
}

/// Leaves batches of other columns alone.
struct OfSameColumns {
    expected: Arc<Schema>,
    inner: Arc<dyn Preparer>,
}

impl Preparer for OfSameColumns {
    fn prepare(&self, batch: &RowBatch) -> Option<Prepared> {
        if *batch.schema() == self.expected { self.inner.prepare(batch) } else { None }
    }
}

/// Reads the query to its end; its columns must still be those of `schema`.
///
/// # Errors
/// The source's, at the place of the SQL; an extract that gave other than the announced number of rows is not clean.
pub async fn extract(
    source: &Arc<dyn Source>,
    context: &ReadContext,
    intake: &mut Intake<'_>,
    schema: &Arc<Schema>,
) -> Result<()> {
    let mut query = intake.query.clone();
    if let Query::Files(files) = &mut query {
        files.needed = Some(intake.needed.clone());
    }
    let place = intake.sync.source.location.clone();
    let result = source.extract(&query, context, &mut SameColumns { expected: schema, inner: intake }).await;
    let result = match result {
        Ok(extract) => intake.settle(0).await.map(|()| extract),
        Err(error) => Err(error),
    };
    if let Some(error) = intake.stopped.take() {
        return Err(error);
    }
    let extract = result.map_err(|error| Error::source(&error).at(place.clone()))?;
    all_rows(&extract).map_err(|error| error.at(place))
}

/// Whether the source gave as many rows as it announced, where it announces them.
///
/// # Errors
/// With both numbers.
pub(super) fn all_rows(extract: &Extract) -> Result<()> {
    let Some(announced) = extract.announced.filter(|announced| *announced != extract.rows) else {
        return Ok(());
    };
    let message = format!("the source announced {announced} rows, but gave {}", extract.rows);
    Err(Error::new("OF-SRC-004", ErrorKind::Source, message)
        .hint("nothing was sent; run it again, and tell the warehouse's operators if it stays"))
}

#[cfg(test)]
mod tests {
    use outflow_connectors::contract::{Cell, Column, RowBatchBuilder};

    use super::*;

    struct Count(usize);

    #[async_trait]
    impl RowSink for Count {
        async fn accept(&mut self, batch: RowBatch) -> Result<(), ConnectorError> {
            self.0 += batch.len();
            Ok(())
        }
    }

    fn schema(names: [&str; 2]) -> Arc<Schema> {
        let column = |name: &str| Column { name: name.to_owned(), declared: String::new() };
        Arc::new(Schema { columns: names.map(column).to_vec() })
    }

    #[test]
    fn rows_that_were_announced_and_did_not_come_are_missed() {
        let all = |rows, announced| all_rows(&Extract { rows, announced });
        assert!(all(3, None).is_ok() && all(3, Some(3)).is_ok());
        for announced in [2, 4] {
            assert_eq!(all(3, Some(announced)).unwrap_err().code, "OF-SRC-004");
        }
    }

    fn person(schema: Arc<Schema>) -> RowBatch {
        let mut builder = RowBatchBuilder::new(schema);
        builder.push(Cell::Text("Ann"));
        builder.push(Cell::Text("Zed"));
        builder.take()
    }

    #[tokio::test]
    async fn columns_that_changed_places_end_the_extract() {
        let expected = schema(["first", "last"]);
        let mut rows = Count(0);
        let mut sink = SameColumns { expected: &expected, inner: &mut rows };
        sink.accept(person(schema(["first", "last"]))).await.unwrap();
        let error = sink.accept(person(schema(["last", "first"]))).await.unwrap_err();
        assert!(error.kind == Kind::Unavailable && error.hint.is_some(), "{error}");
        assert_eq!(rows.0, 1);
    }

    /// Makes of a batch how many rows it has.
    struct Lengths;

    impl Preparer for Lengths {
        fn prepare(&self, batch: &RowBatch) -> Option<Prepared> {
            Some(Box::new(batch.len()))
        }
    }

    /// Counts the rows of batches that something was made of, and of those that came without.
    #[derive(Default)]
    struct Prepares {
        prepared: usize,
        bare: usize,
    }

    #[async_trait]
    impl RowSink for Prepares {
        async fn accept(&mut self, batch: RowBatch) -> Result<(), ConnectorError> {
            self.bare += batch.len();
            Ok(())
        }

        async fn accept_prepared(&mut self, _: RowBatch, prepared: Prepared) -> Result<(), ConnectorError> {
            self.prepared += *prepared.downcast::<usize>().unwrap();
            Ok(())
        }

        fn preparer(&self) -> Option<Arc<dyn Preparer>> {
            Some(Arc::new(Lengths))
        }
    }

    #[tokio::test]
    async fn batches_of_other_columns_are_not_prepared_and_end_the_extract() {
        let expected = schema(["first", "last"]);
        let mut rows = Prepares::default();
        let mut sink = SameColumns { expected: &expected, inner: &mut rows };
        let preparer = sink.preparer().unwrap();
        let right = person(schema(["first", "last"]));
        let prepared = preparer.prepare(&right).unwrap();
        sink.accept_prepared(right, prepared).await.unwrap();
        let other = person(schema(["last", "first"]));
        assert!(preparer.prepare(&other).is_none());
        let error = sink.accept(other).await.unwrap_err();
        assert!(error.kind == Kind::Unavailable && error.hint.is_some(), "{error}");
        assert_eq!((rows.prepared, rows.bare), (1, 0));
        let mut rows = Count(0);
        assert!(SameColumns { expected: &expected, inner: &mut rows }.preparer().is_none());
    }
}
