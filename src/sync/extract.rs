//! Query -> batches of Row: reads the source to its end, feeding the data tests and the diff.

use std::sync::Arc;

use async_trait::async_trait;
use outflow_connectors::contract::{ConnectorError, Kind, Query, RowBatch, RowSink, Source};
use tokio::task::block_in_place;

use super::Cancel;
use super::check::DataTests;
use super::diff::Differ;
use super::event::{Event, Observer};
use crate::error::{Error, ErrorKind, Result};
use crate::project::Sync;

/// Takes the rows of one extract.
pub struct Intake<'a> {
    pub sync: &'a Sync,
    pub differ: Differ,
    pub tests: DataTests,
    pub observer: &'a dyn Observer,
    pub cancel: &'a Cancel,
    /// Why the engine stopped the source, if it did.
    pub stopped: Option<Error>,
}

#[async_trait]
impl RowSink for Intake<'_> {
    async fn accept(&mut self, batch: RowBatch) -> Result<(), ConnectorError> {
        if self.cancel.is_stopped() {
            self.stopped = Some(interrupted());
        } else {
            let taken = block_in_place(|| {
                batch.rows().for_each(|row| self.tests.observe(row));
                self.differ.accept(&batch)
            });
            self.stopped = taken.err();
        }
        self.observer.observe(&Event::Extracted { sync: self.sync.name.clone(), rows: self.differ.rows() });
        match &self.stopped {
            None => Ok(()),
            Some(error) => Err(ConnectorError::new(Kind::Internal, error.message.clone())),
        }
    }
}

/// The error of a run that was asked to stop.
pub fn interrupted() -> Error {
    Error::new("OF-RUN-040", ErrorKind::Interrupted, "the run was interrupted")
        .hint("what was acknowledged is kept; the next run goes on from there")
}

/// Reads the query to its end.
///
/// # Errors
/// The source's, at the place of the SQL; an extract that gave other than the announced number of rows is not clean.
pub async fn extract(source: &Arc<dyn Source>, intake: &mut Intake<'_>) -> Result<()> {
    let query = Query { sql: intake.sync.source.sql.clone() };
    let place = intake.sync.source.location.clone();
    let result = source.extract(&query, intake).await;
    if let Some(error) = intake.stopped.take() {
        return Err(error);
    }
    let extract = result.map_err(|error| Error::source(&error).at(place.clone()))?;
    if extract.announced.is_some_and(|announced| announced != extract.rows) {
        let announced = extract.announced.unwrap_or_default();
        let message = format!("the source announced {announced} rows, but gave {}", extract.rows);
        return Err(Error::new("OF-SRC-004", ErrorKind::Source, message)
            .at(place)
            .hint("nothing was sent; run it again, and tell the warehouse's operators if it stays"));
    }
    Ok(())
}
