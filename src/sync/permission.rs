//! The right to write to a destination, for as long as a run holds its lease.

use async_trait::async_trait;
use outflow_connectors::contract::{ConnectorError, Kind, Permission};

use super::Cancel;
use crate::ledger::{Lease, Tenure};

/// Ends with the lease; closes with the stop that a run, or a part of it, is asked for.
#[derive(Debug)]
pub struct RunPermission {
    tenure: Tenure,
    cancel: Cancel,
}

impl RunPermission {
    pub fn new(lease: &Lease, cancel: &Cancel) -> Self {
        RunPermission { tenure: lease.tenure(), cancel: cancel.clone() }
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
}
