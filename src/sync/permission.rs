//! The right to write to a destination, for as long as a run holds its lease.

use std::sync::Arc;

use async_trait::async_trait;
use outflow_connectors::contract::{ConnectorError, Kind, Permission, Spacing};

use super::Cancel;
use crate::ledger::{Lease, Tenure};

/// Ends with the lease; closes with the stop that a run, or a part of it, is asked for.
#[derive(Debug)]
pub struct RunPermission {
    tenure: Tenure,
    cancel: Cancel,
    spacing: Option<Arc<Spacing>>,
}

impl RunPermission {
    /// The spacing is that of the whole run, whatever number of parts it has.
    pub fn new(lease: &Lease, cancel: &Cancel, spacing: Option<&Arc<Spacing>>) -> Self {
        RunPermission { tenure: lease.tenure(), cancel: cancel.clone(), spacing: spacing.cloned() }
    }
}

#[async_trait]
impl Permission for RunPermission {
    fn check(&self) -> Result<(), ConnectorError> {
        self.tenure
            .check()
            .map_err(|error| ConnectorError::new(Kind::Revoked, error.message.clone()).source(error))
    }

    async fn closing(&self) {
        self.cancel.stopped().await;
    }

    fn spacing(&self) -> Option<&Spacing> {
        self.spacing.as_deref()
    }
}
