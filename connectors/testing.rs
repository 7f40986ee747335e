//! What the tests of sources share: a sink that keeps the rows, and the servers that they read from.

use async_trait::async_trait;

use crate::contract::{ConnectorError, Kind, RowBatch, RowSink};

/// Keeps every batch; refuses the one after `most`.
pub struct Keep {
    pub batches: Vec<RowBatch>,
    pub most: usize,
}

impl Keep {
    pub fn all() -> Self {
        Keep { batches: Vec::new(), most: usize::MAX }
    }

    /// The cells of all rows, as `Debug` prints them.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let rows = self.batches.iter().flat_map(RowBatch::rows);
        rows.map(|row| row.cells().map(|cell| format!("{cell:?}")).collect()).collect()
    }
}

#[async_trait]
impl RowSink for Keep {
    async fn accept(&mut self, batch: RowBatch) -> Result<(), ConnectorError> {
        if self.batches.len() == self.most {
            return Err(ConnectorError::new(Kind::Internal, "enough"));
        }
        self.batches.push(batch);
        Ok(())
    }
}

/// The address of a server to test against: `OUTFLOW_TEST_NAME`, as `.ci/services` sets it. Without one the test is left out; not so
/// in CI, where it fails.
pub fn server(name: &str) -> Option<String> {
    let variable = format!("OUTFLOW_TEST_{}", name.to_uppercase());
    let address = std::env::var(&variable).ok().filter(|address| !address.is_empty());
    assert!(
        address.is_some() || std::env::var_os("CI").is_none(),
        "`{variable}` is not set; `.ci/services` sets it"
    );
    if address.is_none() {
        eprintln!("left out: `{variable}` is not set; see `.ci/services`");
    }
    address
}
