//! A warehouse, read and never written.

use std::sync::Arc;

use async_trait::async_trait;

use super::{ConnectorError, RowBatch, Schema};

/// What to read: finished SQL, as the warehouse understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub sql: String,
}

/// How an extract ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extract {
    /// Rows given to the sink.
    pub rows: u64,
    /// Rows the service announced, where it announces them; another number than `rows` means the extract is not clean.
    pub announced: Option<u64>,
}

/// Where rows go. Waiting in `accept` holds the source back.
#[async_trait]
pub trait RowSink: Send {
    /// # Errors
    /// When the engine wants no more; the source stops and passes the error on.
    async fn accept(&mut self, batch: RowBatch) -> Result<(), ConnectorError>;
}

/// A system rows are read from.
#[async_trait]
pub trait Source: Send + Sync {
    /// The columns of the query's result, without reading its rows.
    ///
    /// # Errors
    /// [`Kind::Config`](super::Kind::Config) for a query the warehouse refuses, with its own words;
    /// [`Kind::Unavailable`](super::Kind::Unavailable) when it cannot be reached.
    async fn shape(&self, query: &Query) -> Result<Arc<Schema>, ConnectorError>;

    /// Reads all rows in a read-only transaction. `Ok` means that the source itself signalled the end.
    ///
    /// # Errors
    /// As [`Self::shape`]; an error after some rows means that the extract is not clean.
    async fn extract(&self, query: &Query, sink: &mut dyn RowSink) -> Result<Extract, ConnectorError>;
}
