//! What one run of one sync works with.

use outflow_connectors::sql::Dialect;

use super::cancel::interrupted;
use super::connect::Connections;
use super::event::Observer;
use super::{Cancel, RunOptions};
use crate::error::Result;
use crate::project::{Project, Sync};

/// One sync and what it runs with.
pub struct Context<'a> {
    pub project: &'a Project,
    pub sync: &'a Sync,
    pub connections: &'a Connections,
    pub options: &'a RunOptions,
    pub observer: &'a dyn Observer,
    pub cancel: &'a Cancel,
}

impl Context<'_> {
    /// How the source of the sync writes SQL.
    pub fn dialect(&self) -> Dialect {
        let connection = self.project.connections.get(&self.sync.source.connection);
        connection.map_or(Dialect::Ansi, |connection| connection.connector.dialect)
    }

    /// Does the work, or leaves it where a stop is asked for: only for work that may be cut off anywhere.
    pub async fn unless_stopped<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            result = work => result,
            () = self.cancel.stopped() => Err(interrupted()),
        }
    }
}
